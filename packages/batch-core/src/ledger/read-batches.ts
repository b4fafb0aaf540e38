import { type Kysely, sql } from "kysely";
import type { Batch } from "../batch/batch.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { statement } from "../database/prepared-statement.ts";
import { type BatchRow, batchColumns, toBatch, toBatchHead } from "./batch-rows.ts";
import type { BatchFilter, Ledger } from "./ledger.ts";
import { sumChunks } from "./sum-chunks.ts";
import { holdsCounts, type LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Creates the part of the ledger that reads batches. Nothing here changes a row. */
export function createReader(database: Database): Pick<Ledger, "head" | "get" | "findContent" | "list"> {
  const db = database.tables<LedgerTables>();
  const on = (transaction?: LedgerTransaction) => (transaction as Db | undefined) ?? db;

  const selectBatch = statement(
    ({ id }: { id: number }) => db.selectFrom("reinstate_batches").select(batchColumns).where("id", "=", id),
    { byKey: true },
  );

  async function toBatches(rows: BatchRow[], on: Db): Promise<Batch[]> {
    const sums = await sumChunks(
      database,
      on,
      rows.filter((row) => !holdsCounts(row)).map(({ id }) => id),
    );
    return rows.map((row) => toBatch(row, sums.get(row.id)));
  }

  return {
    async head(id, transaction) {
      const [row] = (await selectBatch(on(transaction), { id })).rows;
      return row && toBatchHead(row);
    },

    async get(id, transaction) {
      const [row] = (await selectBatch(on(transaction), { id })).rows;
      return row && (await toBatches([row], on(transaction)))[0];
    },

    async findContent(content, since, transaction) {
      if (transaction && database.dialect === "postgres") {
        await sql`select pg_advisory_xact_lock(hashtextextended(${content}, 0))`.execute(transaction);
      }
      const row = await on(transaction)
        .selectFrom("reinstate_batches")
        .select("id")
        .where("content", "=", content)
        .where("dry_run", "=", 0)
        .where("created_at", ">=", since)
        .orderBy("id", "desc")
        .limit(1)
        .executeTakeFirst();
      return row?.id;
    },

    async list(filter: BatchFilter) {
      const { account, after, before, operation, operationPrefix, statuses, limit, offset = 0 } = filter;
      const where = [sql`1 = 1`];
      if (before !== undefined) where.push(sql`b.id < ${before}`);
      if (after !== undefined) where.push(sql`b.id > ${after}`);
      if (account !== undefined) where.push(sql`b.account = ${account}`);
      if (operation !== undefined) where.push(sql`b.operation = ${operation}`);
      if (operationPrefix !== undefined) where.push(sql`b.operation like ${`${operationPrefix}%`}`);
      if (statuses !== undefined) where.push(sql`b.status in (${sql.join(statuses)})`);
      const { rows } =
        await sql<BatchRow>`select ${sql.join(batchColumns.map((column) => sql.ref(`b.${column}`)))} from reinstate_batches b where ${sql.join(where, sql` and `)}
        order by b.id desc limit ${limit} offset ${offset}`.execute(db);
      return toBatches(rows, db);
    },
  };
}
