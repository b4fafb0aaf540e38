import { type Kysely, type Selectable, sql } from "kysely";
import { type Batch, computeProgress, isFinished, type StopRule } from "../batch/batch.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { itemsOfChunk, readRetries } from "./chunk-queries.ts";
import type { BatchFilter, BatchHead, ChunkContent, ChunkId, Ledger } from "./ledger.ts";
import { holdsCounts, type LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;
type BatchRow = Selectable<LedgerTables["reinstate_batches"]>;

/** Creates the part of the ledger that reads. Nothing here changes a row. */
export function createReader(
  database: Database,
): Pick<Ledger, "head" | "get" | "list" | "open" | "ready" | "readChunks"> {
  const db = database.tables<LedgerTables>();
  const on = (transaction?: LedgerTransaction) => (transaction as Db | undefined) ?? db;

  async function withCounts(rows: BatchRow[], on: Db): Promise<Batch[]> {
    const ids = rows.filter((row) => !holdsCounts(row)).map(({ id }) => id);
    const computed = ids.length === 0 ? { sums: [], tallies: [] } : await sumChunks(on, ids);
    return rows.map((row) => {
      const stored = holdsCounts(row) ? row : undefined;
      const sum = stored ? { ...stored, retried: 0 } : computed.sums.find(({ batch_id }) => batch_id === row.id);
      const counts = {
        done: Number(sum?.done ?? 0),
        skipped: Number(sum?.skipped ?? 0),
        failed: Number(sum?.failed ?? 0) - Number(sum?.retried ?? 0),
        unknown: Number(sum?.unknown ?? 0),
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
      const row = await on(transaction)
        .selectFrom("reinstate_batches")
        .selectAll()
        .where("id", "=", id)
        .executeTakeFirst();
      return row && toBatchHead(row);
    },

    async get(id, transaction) {
      const row = await on(transaction)
        .selectFrom("reinstate_batches")
        .selectAll()
        .where("id", "=", id)
        .executeTakeFirst();
      return row && (await withCounts([row], on(transaction)))[0];
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
      const { rows } = await sql<BatchRow>`select b.* from reinstate_batches b where ${sql.join(where, sql` and `)}
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

    async readChunks(batchId, { after, outcome, limit }) {
      const page = (after: Pick<ChunkId, "generation" | "seq"> | undefined, within?: "generation") =>
        chunksAfter(batchId, { after, outcome, limit }, within);
      // Performance: chunks of a generation are numbered without gaps, so a page is a range that PostgreSQL reads by index. A LIMIT
      // query would be planned with statistics that do not yet include a new batch.
      const inGeneration = after && !outcome ? await page(after, "generation") : [];
      const chunks = inGeneration.length > 0 ? inGeneration : await page(after);
      return addOverrides(batchId, chunks);
    },
  };

  function chunksAfter(
    batchId: number,
    { after, outcome, limit }: Parameters<Ledger["readChunks"]>[1],
    within?: "generation",
  ) {
    let query = db
      .selectFrom("reinstate_chunks")
      .select(["batch_id", "generation", "seq", "state", "retries", "rest_outcome", "rest_code", "rest_message"])
      .where("batch_id", "=", batchId)
      .orderBy("generation")
      .orderBy("seq")
      .limit(limit);
    // Repeats the predicate of the partial index literally, as `unfinished` does.
    if (outcome) query = query.where(outcome, ">", sql.lit(0));
    if (after && within) {
      query = query
        .where("generation", "=", after.generation)
        .where("seq", ">", after.seq)
        .where("seq", "<=", after.seq + limit);
    } else if (after) {
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("generation", "seq"), ">", tuple(after.generation, after.seq)),
      );
    }
    // Performance: limits the chunks first and joins the items of this page only.
    return db
      .selectFrom(query.as("c"))
      .innerJoin("reinstate_items as i", itemsOfChunk)
      .select(["c.generation", "c.seq", "c.state", "c.retries", "i.codec", "i.packed"])
      .select(["c.rest_outcome", "c.rest_code", "c.rest_message"])
      .orderBy("c.generation")
      .orderBy("c.seq")
      .execute();
  }

  async function addOverrides(batchId: number, chunks: Awaited<ReturnType<typeof chunksAfter>>) {
    if (chunks.length === 0) return [];
    // Performance: PostgreSQL always reads a range of one generation by index. For a list of chunks, or a range of pairs, it may scan
    // all rows of the batch.
    const readOverrides = ({ generation, first, last }: Run) =>
      db
        .selectFrom("reinstate_outcomes")
        .selectAll()
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .where("seq", ">=", first)
        .where("seq", "<=", last)
        .orderBy("seq")
        .orderBy("position")
        .execute();
    const written = (await Promise.all(groupRuns(chunks).map(readOverrides))).flat();
    let next = 0;
    return chunks.map((chunk): ChunkContent => {
      const { generation, seq, codec, packed } = chunk;
      const found: ChunkContent["overrides"] = [];
      // Both lists are in the same order.
      for (; next < written.length; next++) {
        const row = written[next];
        if (!row || row.generation !== generation || row.seq !== seq) break;
        found.push({ position: row.position, outcome: row.outcome, code: row.code, message: row.message });
      }
      const commonOutcome =
        chunk.state === "finished"
          ? { outcome: chunk.rest_outcome ?? "done", code: chunk.rest_code, message: chunk.rest_message }
          : undefined;
      // A chunk may be finished between the two statements. It is returned as the first one saw it.
      const overrides = commonOutcome ? found : [];
      return {
        batchId,
        generation,
        seq,
        codec,
        packed,
        commonOutcome,
        overrides,
        retries: readRetries(chunk.retries),
      };
    });
  }
}

/** Consecutive chunks of a generation. */
interface Run {
  generation: number;
  first: number;
  last: number;
}

function groupRuns(chunks: readonly Pick<ChunkId, "generation" | "seq">[]): Run[] {
  const runs: Run[] = [];
  for (const { generation, seq } of chunks) {
    const run = runs.at(-1);
    if (run?.generation === generation && run.last === seq - 1) run.last = seq;
    else runs.push({ generation, first: seq, last: seq });
  }
  return runs;
}

function toBatchHead(row: BatchRow): BatchHead {
  return {
    id: row.id,
    operation: row.operation,
    target: row.target,
    account: row.account,
    params: JSON.parse(row.params) as unknown,
    actor: row.actor,
    total: row.total,
    dryRun: row.dry_run === 1,
    stopRule: toStopRule(row),
    status: row.status,
  };
}

function toStopRule({ max_failure_rate, failure_after }: BatchRow): StopRule | undefined {
  return max_failure_rate === null ? undefined : { maxFailureRate: max_failure_rate, after: failure_after ?? 0 };
}
