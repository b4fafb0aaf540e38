import { type Kysely, type Selectable, sql } from "kysely";
import { type Batch, computeProgress, isFinished, type StopRule } from "../batch/batch.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { statement } from "../database/prepared-statement.ts";
import { unfinished } from "./chunk-queries.ts";
import type { BatchFilter, BatchHead, Ledger } from "./ledger.ts";
import { holdsCounts, type LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;
type BatchRow = Omit<Selectable<LedgerTables["reinstate_batches"]>, "codes" | "content" | "first_item" | "last_item">;

/** All columns but the codes, which may be long and are not read with the batch. */
const batchColumns = [
  "id",
  "operation",
  "label",
  "target",
  "account",
  "params",
  "actor",
  "trace",
  "status",
  "total",
  "duplicates",
  "generation",
  "error",
  "dry_run",
  "from_batch",
  "undo_of",
  "max_failure_rate",
  "failure_after",
  "next_allowed_at",
  "waiting_for",
  "created_at",
  "updated_at",
  "started_at",
  "finished_at",
  "done",
  "skipped",
  "failed",
  "unknown",
  "tally",
] as const satisfies (keyof BatchRow)[];

/** Creates the part of the ledger that reads. Nothing here changes a row. */
export function createReader(
  database: Database,
): Pick<Ledger, "head" | "get" | "findContent" | "list" | "open" | "nextAttempt" | "ready"> {
  const db = database.tables<LedgerTables>();
  const on = (transaction?: LedgerTransaction) => (transaction as Db | undefined) ?? db;

  const selectBatch = statement(
    ({ id }: { id: number }) => db.selectFrom("reinstate_batches").select(batchColumns).where("id", "=", id),
    { byKey: true },
  );

  async function withCounts(rows: BatchRow[], on: Db): Promise<Batch[]> {
    const ids = rows.filter((row) => !holdsCounts(row)).map(({ id }) => id);
    const computed = ids.length === 0 ? { sums: [], tallies: [] } : await sumChunks(on, ids);
    return rows.map((row) => {
      const stored = holdsCounts(row) ? row : undefined;
      const sum = stored
        ? { ...stored, retried: 0, resolved: 0 }
        : computed.sums.find(({ batch_id }) => batch_id === row.id);
      const counts = {
        done: Number(sum?.done ?? 0),
        skipped: Number(sum?.skipped ?? 0),
        failed: Number(sum?.failed ?? 0) - Number(sum?.retried ?? 0),
        unknown: Number(sum?.unknown ?? 0) - Number(sum?.resolved ?? 0),
      };
      const tallies = computed.tallies.filter(({ batch_id }) => batch_id === row.id);
      return {
        id: row.id,
        operation: row.operation,
        label: row.label,
        target: row.target,
        account: row.account,
        params: JSON.parse(row.params) as unknown,
        actor: row.actor,
        status: row.status,
        total: row.total,
        duplicates: row.duplicates,
        counts,
        progress: computeProgress(row.status, counts, row.total),
        tally: stored
          ? (JSON.parse(stored.tally ?? "{}") as Batch["tally"])
          : Object.fromEntries(tallies.map(({ name, sum }) => [name, Number(sum)])),
        error: row.error,
        dryRun: row.dry_run === 1,
        fromBatch: row.from_batch,
        undoOf: row.undo_of,
        nextAllowedAt: isFinished(row.status) ? null : row.next_allowed_at,
        waitingFor: isFinished(row.status) || row.next_allowed_at === null ? null : row.waiting_for,
        generation: row.generation,
        createdAt: row.created_at,
        updatedAt: Math.max(row.updated_at, isFinished(row.status) ? 0 : (sum?.finished_at ?? 0)),
        startedAt: row.started_at,
        finishedAt: row.finished_at,
      };
    });
  }

  /** Computes the sums over the chunks of batches. */
  async function sumChunks(on: Db, ids: number[]) {
    const sums = await on
      .selectFrom("reinstate_chunks")
      .select(({ fn }) => [
        "batch_id",
        fn.sum<number>("done").as("done"),
        fn.sum<number>("skipped").as("skipped"),
        fn.sum<number>("failed").as("failed"),
        fn.sum<number>("retried").as("retried"),
        fn.sum<number>("unknown").as("unknown"),
        fn.sum<number>("resolved").as("resolved"),
        fn.max("finished_at").as("finished_at"),
        fn.count<number>("tally").as("tallies"),
      ])
      .where(database.anyOf("batch_id", ids))
      .groupBy("batch_id")
      .execute();
    const tallied = sums.filter((row) => Number(row.tallies) > 0).map((row) => row.batch_id);
    return { sums, tallies: tallied.length === 0 ? [] : await readTallies(on, tallied) };
  }

  async function readTallies(on: Db, ids: number[]) {
    const each =
      database.dialect === "sqlite"
        ? sql`select batch_id, key as name, sum(value) as sum from reinstate_chunks, json_each(tally)`
        : sql`select batch_id, key as name, sum(value::bigint) as sum from reinstate_chunks, jsonb_each_text(tally::jsonb)`;
    const { rows } = await sql<{ batch_id: number; name: string; sum: number }>`
      ${each} where tally is not null and ${database.anyOf("batch_id", ids)} group by batch_id, name
    `.execute(on);
    return rows;
  }

  return {
    async head(id, transaction) {
      const [row] = (await selectBatch(on(transaction), { id })).rows;
      return row && toBatchHead(row);
    },

    async get(id, transaction) {
      const [row] = (await selectBatch(on(transaction), { id })).rows;
      return row && (await withCounts([row], on(transaction)))[0];
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
      return withCounts(rows, db);
    },

    async open() {
      const rows = await db
        .selectFrom("reinstate_batches")
        .select("id")
        .where("status", "in", ["pending", "in_progress"])
        .orderBy("id")
        .execute();
      return rows.map((row) => row.id);
    },

    async nextAttempt(id) {
      const row = await db
        .selectFrom("reinstate_chunks")
        .select(({ fn }) => fn.min("not_before").as("at"))
        .select(sql<number>`max(case when state = 'claimed' then 1 else 0 end)`.as("claimed"))
        .where("batch_id", "=", id)
        .where(unfinished())
        .where(({ exists, selectFrom }) =>
          exists(
            selectFrom("reinstate_batches")
              .select("id")
              .where("id", "=", id)
              .where("status", "in", ["pending", "in_progress"]),
          ),
        )
        .executeTakeFirstOrThrow();
      return row.at === null || Number(row.claimed) > 0 ? undefined : Number(row.at);
    },

    async ready(limit, now) {
      const rows = await db
        .selectFrom("reinstate_batches as b")
        .select(["b.id", "b.operation", "b.target"])
        .select(({ selectFrom, fn }) =>
          selectFrom((from) =>
            from
              .selectFrom("reinstate_chunks as c")
              .select("c.seq")
              .whereRef("c.batch_id", "=", "b.id")
              .where("c.state", "<>", "finished")
              .where(({ and, eb, or }) =>
                or([
                  and([eb("c.state", "in", ["waiting", "interrupted"]), eb("c.not_before", "<=", now)]),
                  and([eb("c.state", "=", "claimed"), eb("c.lease_until", "<", now)]),
                ]),
              )
              .limit(limit)
              .as("ready"),
          )
            .select(fn.countAll<number>().as("chunks"))
            .as("chunks"),
        )
        .where("b.status", "in", ["pending", "in_progress"])
        .orderBy("b.id")
        .execute();
      return rows.map(({ chunks, ...batch }) => ({ ...batch, chunks: Number(chunks) }));
    },
  };
}

function toBatchHead(row: BatchRow): BatchHead {
  return {
    id: row.id,
    operation: row.operation,
    target: row.target,
    account: row.account,
    params: JSON.parse(row.params) as unknown,
    actor: row.actor,
    trace: row.trace ?? undefined,
    total: row.total,
    dryRun: row.dry_run === 1,
    stopRule: toStopRule(row),
    status: row.status,
  };
}

function toStopRule({ max_failure_rate, failure_after }: BatchRow): StopRule | undefined {
  return max_failure_rate === null ? undefined : { maxFailureRate: max_failure_rate, after: failure_after ?? 0 };
}
