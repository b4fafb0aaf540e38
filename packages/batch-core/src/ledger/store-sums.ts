import type { Kysely } from "kysely";
import type { Batch } from "../batch/batch.ts";
import { writeCodes } from "../batch/codes.ts";
import type { LedgerTransaction } from "../database/database.ts";
import type { Ledger } from "./ledger.ts";
import { sumCodes } from "./read-chunks.ts";
import { tallyText } from "./rows.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Stores the sums over the chunks of an ended batch in its row, so readers need not compute them again. */
export type StoreSums = (id: number, transaction: LedgerTransaction) => Promise<void>;

/** Creates the function that stores the sums of a batch, which it gets from `get`. */
export function createStoreSums({ get }: Pick<Ledger, "get">): StoreSums {
  return async (id, transaction) => {
    const on = transaction as Db;
    const { counts, tally, total, generation } = (await get(id, transaction)) as Batch;
    // Performance: only marked items are done with a code, and they are in a later generation.
    const isPlain = counts.done === total && generation === 0;
    const codes = isPlain ? [] : await sumCodes(on, id);
    await on
      .updateTable("reinstate_batches")
      .set({ ...counts, tally: tallyText(tally), codes: writeCodes(codes) })
      .where("id", "=", id)
      .execute();
  };
}
