import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { account, idsFrom } from "./promoters.ts";

// A program that restores as a user of the packages would: DATABASE_URL, FIRST and COUNT in the environment.
const { DATABASE_URL = "", FIRST, COUNT } = process.env;
const host = await createHost({ databaseUrl: DATABASE_URL });
await createFirstPromoter(host);
const items = idsFrom(Number(FIRST), Number(COUNT));
const { id } = await host.batches.submit({
  operation: "firstpromoter.promoters.restore",
  account,
  items,
  inline: false,
});
const { counts } = await host.batches.wait(id);
await host.close();
process.exit(counts.done === items.length ? 0 : 1);
