import { type ContractError, vendorContract } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, test } from "vitest";
import { type ErrorName, errorAnswers } from "./http/errors.ts";
import { firstpromoter } from "./vendor.ts";

const errors: Record<ContractError, ErrorName> = {
  unauthorized: "bad_key",
  not_found: "not_found",
  too_many_requests: "too_many_requests",
  unavailable: "unavailable",
  internal: "internal",
};

const body = {
  ids: [1, 2],
  campaign_id: 1,
  from_campaign_id: 1,
  to_campaign_id: 2,
  parent_promoter_id: 3,
  note: "seen",
  email: "contract@example.com",
};

const contract = vendorContract({
  vendor: firstpromoter,
  settings: { rateLimit: "0" },
  calls({ method, path }, batch) {
    const target = path.replace(":id", path.includes("batch_processes") ? String(batch) : "1");
    if (method !== "GET") return [{ path: target, body }];
    return ["", "?filters[status]=completed&filters[archived]=true&per_page=100"].map((query) => ({
      path: target + query,
    }));
  },
  authorize: (secret, account) => ({ authorization: `Bearer ${secret}`, "account-id": account }),
  isError(kind, { status, text }) {
    const answer = errorAnswers[errors[kind]];
    return status === answer.status && text === (answer.body === null ? "" : JSON.stringify(answer.body));
  },
  shown: "ben.adler.1@example.com",
  importedLine: '{"id":4001,"email":"imported@example.com"}',
});

describe.each(ledgerDatabases)("FirstPromoter on $name", ({ open }) => {
  test.each(contract)("$name", async ({ check }) => {
    await using database = await open();
    await check(database.url);
  });
});
