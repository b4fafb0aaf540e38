// The typed client, and how to distinguish its errors. `BASE_URL` and `KEY` name a server of FirstPromoter's API.
import { createFirstPromoterClient, VendorError } from "@reinstate/firstpromoter/client";

const { BASE_URL: baseUrl = "https://api.firstpromoter.com/api/v2/company", KEY: apiKey = "" } = process.env;
const { promoters, batches } = createFirstPromoterClient({ baseUrl, apiKey, accountId: "acc_1" });

try {
  const { id } = await promoters.create({ email: "ada@example.com" });
  await promoters.archive([id]);
  const batch = await promoters.restore([id]);
  const ended = await batches.wait(batch.id);
  console.log(JSON.stringify({ status: ended.status, restored: ended.processed_count }));
  await promoters.restore([]);
} catch (error) {
  if (!VendorError.is(error)) throw error;
  // `rejected`: correct the call. `rate_limited`, `unavailable`: try later. `unknown_outcome`: look before you repeat it.
  console.log(JSON.stringify({ kind: error.kind, status: error.status, code: error.code, retryable: error.retryable }));
}
