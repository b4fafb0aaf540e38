import { type Kysely, type RawBuilder, sql } from "kysely";
import { type BatchStatus, isFinished, noCounts, sourcesOf } from "../batch.ts";
import type { Database } from "../database.ts";
import type { ChunkId, ClaimedChunk, Ledger, NewBatch } from "../ledger.ts";
import type { LedgerTransaction } from "../operation.ts";
import { takeTokens } from "../pace.ts";
import { type Packed, pack, unpack } from "../pack.ts";
import type { Settlement } from "../settle.ts";
import { statement } from "../statement.ts";
import { createMemory } from "./idempotency.ts";
import { createIdsAhead } from "./ids-ahead.ts";
import { ledgerMigrations } from "./migrations.ts";
import { createReader } from "./read.ts";
import { holdsChunk, type LedgerTables, neighbours, type OnlyChunk, onlyChunkColumns } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Rows per INSERT: far below the parameter limits of both databases. */
const rowsPerInsert = 500;
/** Packed items per INSERT, so that wide items need no more memory than narrow ones. */
const bytesPerInsert = 1_000_000;

/*
 * Both are said in the very words of a partial index. SQLite compares a parameter's value with them when it plans, and looks at
 * the value of a limit: with parameters in these places it plans the statement anew each time that it is run.
 */
const isWorkable = (table = "reinstate_batches") =>
  sql<boolean>`${sql.ref(`${table}.status`)} in ('pending', 'in_progress')`;
const unfinished = (table = "reinstate_chunks") => sql<boolean>`${sql.ref(`${table}.state`)} <> 'finished'`;

/** The ledger on SQLite or PostgreSQL. Brings its tables up to date first. */
export async function createSqlLedger(database: Database): Promise<Ledger> {
  await database.migrate("reinstate", ledgerMigrations);
  const db = database.tables<LedgerTables>();
  const on = (transaction?: LedgerTransaction) => (transaction as Db | undefined) ?? db;
  const reader = createReader(database);

  /*
   * The chunk is looked up by itself and its items after that, by key. Joined, or with conditions that look as if hardly a row
   * met them, PostgreSQL would rather sort all open chunks of the batch, or walk over all its items, whenever its statistics are
   * older than the batch.
   */
  const nextChunk = (free: (now: number) => RawBuilder<boolean>) =>
    statement(({ batchId, now }: { batchId: number; now: number }) =>
      db
        .with("c", (db) =>
          db
            .selectFrom("reinstate_chunks")
            .select(["batch_id", "generation", "seq", "item_count", "attempts", "state"])
            .where("batch_id", "=", batchId)
            .where(unfinished())
            .where("not_before", "<=", now)
            .where(free(now))
            .where(({ exists, selectFrom }) =>
              exists(selectFrom("reinstate_batches").select("id").where("id", "=", batchId).where(isWorkable())),
            )
            .orderBy("generation")
            .orderBy("seq")
            .limit(sql.lit(1))
            // Two workers never wait for each other's chunk; SQLite has one writer anyway.
            .$if(database.dialect === "postgres", (query) => query.forUpdate().skipLocked()),
        )
        .selectFrom("c")
        .innerJoin("reinstate_items as i", (join) =>
          join
            .onRef("i.batch_id", "=", "c.batch_id")
            .onRef("i.generation", "=", "c.generation")
            .onRef("i.seq", "=", "c.seq"),
        )
        .select(["c.generation", "c.seq", "c.item_count", "c.attempts", "c.state", "i.codec", "i.packed"]),
    );
  const nextWaiting = nextChunk(() => sql`state <> 'claimed'`);
  const nextToClaim = nextChunk((now) => sql`(state <> 'claimed' or lease_until < ${now})`);

  const claimed = (batchId: number, row: Awaited<ReturnType<typeof nextWaiting>>["rows"][number]): ClaimedChunk => ({
    batchId,
    generation: row.generation,
    seq: row.seq,
    codec: row.codec,
    packed: row.packed,
    count: row.item_count,
    attempt: row.attempts + 1,
    interrupted: row.state === "claimed",
  });

  const theChunk = (on: Db, { batchId, generation, seq }: ChunkId) =>
    on
      .updateTable("reinstate_chunks")
      .where("batch_id", "=", batchId)
      .where("generation", "=", generation)
      .where("seq", "=", seq);

  const finish = statement(
    ({ batchId, generation, seq, was, by, ...end }: ChunkId & { was: ChunkState; by: string | null } & ChunkEnd) =>
      theChunk(db, { batchId, generation, seq })
        .where("state", "=", was)
        .where("worker", "is not distinct from", by)
        .set({ ...end, worker: null, lease_until: null }),
    { byKey: true },
  );

  async function writeExceptions(on: Db, { batchId, generation, seq }: ChunkId, settlement: Settlement) {
    for (const slice of slices(settlement.exceptions)) {
      await on
        .insertInto("reinstate_outcomes")
        .values(slice.map((exception) => ({ batch_id: batchId, generation, seq, ...exception })))
        .execute();
    }
  }

  const nextId = statement(
    () => ({
      compile: () => sql<{ id: number }>`select coalesce(max(id), 0) + 1 as id from reinstate_batches`.compile(db),
    }),
    { byKey: true },
  );
  const drawIds = statement(
    ({ count }: { count: number }) => ({
      compile: () =>
        sql<{
          id: number;
        }>`select nextval('reinstate_batches_id_seq') as id from generate_series(1, ${count}::int)`.compile(db),
    }),
    { byKey: true },
  );
  const idsAhead = createIdsAhead();
  async function reserveId(on: Db, now: number): Promise<number> {
    if (database.dialect === "sqlite") return (await nextId(on, {})).rows[0]?.id as number;
    return idsAhead.take(async (count) => (await drawIds(on, { count })).rows.map(({ id }) => id), now);
  }

  // Nobody needs their answers: on PostgreSQL they travel with the COMMIT.
  const insertBatch = statement((row: ReturnType<typeof batchRow>) => db.insertInto("reinstate_batches").values(row), {
    awaited: false,
  });
  const insertNeighbour = statement((row: LedgerTables["reinstate_neighbours"]) =>
    db
      .insertInto("reinstate_neighbours")
      .values(row)
      .onConflict((conflict) => conflict.doNothing()),
  );
  const insertOpen = statement((row: ReturnType<typeof chunkRow>) => db.insertInto("reinstate_chunks").values(row), {
    awaited: false,
  });
  const insertItems = statement((row: ReturnType<typeof itemsRow>) => db.insertInto("reinstate_items").values(row), {
    awaited: false,
  });

  async function writeChunks(on: Db, chunks: WrittenChunk[]) {
    const [chunk] = chunks;
    if (!chunk) return;
    if (chunks.length > 1) {
      await on.insertInto("reinstate_chunks").values(chunks.map(chunkRow)).execute();
      await on.insertInto("reinstate_items").values(chunks.map(itemsRow)).execute();
    } else {
      await insertOpen(on, chunkRow(chunk));
      await insertItems(on, itemsRow(chunk));
    }
    for (const chunk of chunks) if (chunk.settled) await writeExceptions(on, chunk, chunk.settled);
  }

  const ledger: Ledger = {
    ...reader,
    ...createMemory(database),

    async accept(batch, chunks, now, { transaction, claim, workOff } = {}) {
      const insert = async (on: Db) => {
        const batchId = await reserveId(on, now);
        // What is worked off here is written when it is known how that ended.
        if (!workOff) await insertBatch(on, batchRow(batchId, batch, now, claim ? "in_progress" : "pending"));
        if (database.dialect === "sqlite") {
          await insertNeighbour(on, { account: batch.account, neighbourhood: Math.floor(batchId / neighbours) });
        }
        let seq = 0;
        let slice: WrittenChunk[] = [];
        let bytes = 0;
        for await (const { packed, refused } of chunks) {
          const chunk = { batchId, generation: 0, seq: seq++, packed, now };
          if (refused) slice.push({ ...chunk, settled: refused, refused: true });
          else if (workOff) slice.push({ ...chunk, settled: await workOff(newlyClaimed(chunk)) });
          else slice.push({ ...chunk, claim });
          bytes += packed.bytes.length;
          if (slice.length < rowsPerInsert && bytes < bytesPerInsert) continue;
          await writeChunks(on, slice);
          slice = [];
          bytes = 0;
        }
        const only = seq === 1 ? slice[0] : undefined;
        if (workOff && only?.settled && !only.refused) {
          await insertBatch(on, batchRow(batchId, batch, now, "completed", only.packed, only.settled));
          await writeExceptions(on, only, only.settled);
          return batchId;
        }
        await writeChunks(on, slice);
        if (workOff) await insertBatch(on, batchRow(batchId, batch, now, "completed"));
        return batchId;
      };
      return transaction ? insert(transaction as Db) : database.transaction((trx) => insert(trx as Db));
    },

    async hold(batchId, now, transaction) {
      const [row] = (await nextWaiting(transaction, { batchId, now })).rows;
      return row && claimed(batchId, row);
    },

    async claim(batchId, worker, now, leaseUntil, admit) {
      return database.transaction(async (transaction) => {
        const [row] = (await nextToClaim(transaction, { batchId, now })).rows;
        if (!row) return undefined;
        const from = await admit?.(transaction, row.item_count);
        if (from !== undefined) return { from };
        await theChunk(transaction as Db, { batchId, ...row })
          .set({ state: "claimed", worker, lease_until: leaseUntil, attempts: row.attempts + 1 })
          .execute();
        return claimed(batchId, row);
      });
    },

    async claimedBy(batchId, worker) {
      const rows = await db
        .selectFrom("reinstate_chunks as c")
        .innerJoin("reinstate_items as i", (join) =>
          join
            .onRef("i.batch_id", "=", "c.batch_id")
            .onRef("i.generation", "=", "c.generation")
            .onRef("i.seq", "=", "c.seq"),
        )
        .select(["c.generation", "c.seq", "c.item_count", "c.attempts", "c.state", "i.codec", "i.packed"])
        .innerJoin("reinstate_batches as b", "b.id", "c.batch_id")
        .where("c.batch_id", "=", batchId)
        .where(isWorkable("b"))
        .where(unfinished("c"))
        .where("c.state", "=", "claimed")
        .where("c.worker", "=", worker)
        .orderBy("c.generation")
        .orderBy("c.seq")
        .execute();
      return rows.map((row) => ({ ...claimed(batchId, row), attempt: row.attempts, interrupted: false }));
    },

    async renew(worker, leaseUntil) {
      const { numUpdatedRows } = await db
        .updateTable("reinstate_chunks")
        .set({ lease_until: leaseUntil })
        .where(unfinished())
        .where("state", "=", "claimed")
        .where("worker", "=", worker)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },

    async finish({ batchId, generation, seq }, settlement, now, by) {
      const chunk = { batchId, generation, seq };
      const write = async (on: Db) => {
        const guard =
          "worker" in by ? { was: "claimed" as const, by: by.worker } : { was: "waiting" as const, by: null };
        const { numAffectedRows } = await finish(on, { ...chunk, ...guard, ...endOf(settlement, now) });
        if (numAffectedRows === 0n) return false;
        await writeExceptions(on, chunk, settlement);
        return true;
      };
      return by.transaction ? write(by.transaction as Db) : database.transaction((trx) => write(trx as Db));
    },

    async putBack(chunk, notBefore, by, { counted, interrupted = false }) {
      const held = "held" in by;
      // A held chunk's attempt was never written; a claimed one's was, with the claim.
      const change = held ? Number(counted) : Number(counted) - 1;
      let update = theChunk(db, chunk).set((set) => ({
        state: interrupted ? ("claimed" as const) : ("waiting" as const),
        not_before: notBefore,
        worker: null,
        lease_until: interrupted ? notBefore : null,
        attempts: set("attempts", "+", change),
      }));
      update =
        "worker" in by
          ? update.where("state", "=", "claimed").where("worker", "=", by.worker)
          : update.where("state", "=", "waiting");
      await update.execute();
    },

    async admit(name, { concurrency, perSecond, burst }, cost, now, transaction) {
      const on = transaction as Db;
      await on
        .insertInto("reinstate_pace")
        .values({ name, tokens: 0, filled_at: -1 })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const row = await on
        .selectFrom("reinstate_pace")
        .selectAll()
        .where("name", "=", name)
        // The lock under which callers are admitted one by one.
        .$if(database.dialect === "postgres", (query) => query.forUpdate())
        .executeTakeFirstOrThrow();
      if (concurrency !== undefined) {
        const [operation = "", target = ""] = name.split(" ");
        const { busy } = await on
          .selectFrom("reinstate_chunks as c")
          .innerJoin("reinstate_batches as b", "b.id", "c.batch_id")
          .select(({ fn }) => fn.countAll<number>().as("busy"))
          .where(unfinished("c"))
          .where("c.state", "=", "claimed")
          // One that was put back is in nobody's hands.
          .where("c.worker", "is not", null)
          .where("c.lease_until", ">=", now)
          .where("b.operation", "=", operation)
          .where("b.target", "=", target as "local")
          .executeTakeFirstOrThrow();
        if (Number(busy) >= concurrency) return now + 250;
      }
      if (perSecond === undefined) return undefined;
      const bucket = row.filled_at < 0 ? undefined : { tokens: row.tokens, filledAt: row.filled_at };
      const result = takeTokens(bucket, { cost, perSecond, burst: burst ?? Math.max(perSecond, cost) }, now);
      if ("from" in result) return result.from;
      await on
        .updateTable("reinstate_pace")
        .set({ tokens: result.taken.tokens, filled_at: result.taken.filledAt })
        .where("name", "=", name)
        .execute();
      return undefined;
    },

    async waitUntil(id, time) {
      await db
        .updateTable("reinstate_batches")
        .set({ next_allowed_at: time })
        .where("id", "=", id)
        .where("next_allowed_at", "is distinct from", time)
        .execute();
    },

    async move(id, to, now, from) {
      const sources = sourcesOf(to).filter((status) => from === undefined || from.includes(status));
      const { numUpdatedRows } = await db
        .updateTable("reinstate_batches")
        .set({
          status: to,
          updated_at: now,
          finished_at: isFinished(to) ? now : null,
          next_allowed_at: null,
          ...(to === "in_progress" ? { started_at: sql<number>`coalesce(started_at, ${now})` } : {}),
        })
        .where("id", "=", id)
        .where("status", "in", sources)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },

    async note(id, error, transaction) {
      await on(transaction).updateTable("reinstate_batches").set({ error }).where("id", "=", id).execute();
    },

    async close(id, now, transaction) {
      const { numUpdatedRows } = await on(transaction)
        .updateTable("reinstate_batches")
        .set({
          status: sql`case when error is null then 'completed' else 'failed' end`,
          started_at: sql<number>`coalesce(started_at, ${now})`,
          updated_at: now,
          finished_at: now,
        })
        .where("id", "=", id)
        .where(isWorkable())
        .where(({ not, exists, selectFrom }) =>
          not(exists(selectFrom("reinstate_chunks").select("seq").where("batch_id", "=", id).where(unfinished()))),
        )
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await keepCounts(id, transaction);
      return true;
    },

    async end(id, error, now) {
      return database.transaction(async (transaction) => {
        const on = transaction as Db;
        const { numUpdatedRows } = await on
          .updateTable("reinstate_chunks")
          .set(({ ref }) => ({
            state: "finished",
            failed: ref("item_count"),
            rest_outcome: "failed",
            rest_code: "not_run",
            rest_message: "The batch was ended before this item's turn",
            finished_at: now,
          }))
          .where("batch_id", "=", id)
          .where(unfinished())
          .where("state", "=", "waiting")
          .where(({ exists, selectFrom }) =>
            exists(selectFrom("reinstate_batches").select("id").where("id", "=", id).where(isWorkable())),
          )
          .executeTakeFirst();
        if (numUpdatedRows === 0n) return false;
        await ledger.note(id, error, transaction);
        // Where chunks are in hand, whoever finishes the last of them closes the batch.
        await ledger.close(id, now, transaction);
        return true;
      });
    },

    async retry(id, now) {
      return database.transaction(async (transaction) => {
        const on = transaction as Db;
        const batch = await on
          .selectFrom("reinstate_batches")
          .select(["generation", "status", "total", "finished_at"])
          .select(onlyChunkColumns)
          .where("id", "=", id)
          .$if(database.dialect === "postgres", (query) => query.forUpdate())
          .executeTakeFirst();
        if (!batch || (batch.status !== "completed" && batch.status !== "failed")) return 0;
        const { generation: before, status: _, ...row } = batch;
        if (holdsChunk(row)) await unfold(on, id, row);
        const generation = before + 1;
        const failing = on
          .selectFrom("reinstate_chunks")
          .select(["generation", "seq"])
          .where("batch_id", "=", id)
          .where("refused", "=", 0)
          .whereRef("failed", ">", "retried")
          .orderBy("generation")
          .orderBy("seq");
        let items = 0;
        let seq = 0;
        // Each failing chunk becomes one of its failed items, so memory holds one page of chunks whatever the batch.
        for (let after = { generation: -1, seq: -1 }; ; ) {
          const page = await failing
            .where(({ eb, refTuple, tuple }) =>
              eb(refTuple("generation", "seq"), ">", tuple(after.generation, after.seq)),
            )
            .limit(100)
            .execute();
          const last = page.at(-1);
          if (!last) break;
          after = last;
          const chunks: WrittenChunk[] = [];
          for (const source of page) {
            const failed = await failedItems(on, id, source);
            const packed: Packed = pack(failed.items, failed.codec === "integers" ? undefined : "json");
            chunks.push({ batchId: id, generation, seq: seq++, packed, now });
            items += failed.items.length;
            await theChunk(on, { batchId: id, ...source })
              .set(({ ref }) => ({ retried: ref("failed") }))
              .execute();
          }
          await writeChunks(on, chunks);
        }
        if (items === 0) return 0;
        await on
          .updateTable("reinstate_batches")
          .set({
            status: "in_progress",
            generation,
            error: null,
            next_allowed_at: null,
            updated_at: now,
            finished_at: null,
            ...noChunk,
          })
          .where("id", "=", id)
          .execute();
        return items;
      });
    },
  };
  return ledger;

  /**
   * Writes the sums over the chunks of a finished batch into its row, so that whoever reads it need not make them again. A
   * process that dies before that leaves them to be made.
   */
  async function keepCounts(id: number, transaction: LedgerTransaction | undefined): Promise<void> {
    const batch = await ledger.get(id, transaction);
    if (!batch) return;
    await on(transaction)
      .updateTable("reinstate_batches")
      .set({ ...batch.counts, tally: tallyText(batch.tally) })
      .where("id", "=", id)
      .where("status", "in", ["completed", "failed"])
      // Not of a generation that began meanwhile.
      .where("generation", "=", batch.generation)
      .execute();
  }

  /** Gives the only chunk of a batch rows of its own, which a retry can go on from. */
  async function unfold(on: Db, id: number, row: OnlyChunk & { total: number; finished_at: number | null }) {
    const { codec, packed, total, ...end } = row;
    const chunk = { batch_id: id, generation: 0, seq: 0 };
    await on
      .insertInto("reinstate_chunks")
      .values({ ...chunk, ...end, state: "finished", item_count: total })
      .execute();
    await on
      .insertInto("reinstate_items")
      .values({ ...chunk, codec, packed })
      .execute();
    await on.updateTable("reinstate_batches").set(noChunk).where("id", "=", id).execute();
  }

  async function failedItems(on: Db, batchId: number, { generation, seq }: { generation: number; seq: number }) {
    const chunk = await on
      .selectFrom("reinstate_chunks as c")
      .innerJoin("reinstate_items as i", (join) =>
        join
          .onRef("i.batch_id", "=", "c.batch_id")
          .onRef("i.generation", "=", "c.generation")
          .onRef("i.seq", "=", "c.seq"),
      )
      .select(["c.rest_outcome", "i.codec", "i.packed"])
      .where("c.batch_id", "=", batchId)
      .where("c.generation", "=", generation)
      .where("c.seq", "=", seq)
      .executeTakeFirstOrThrow();
    const rows = await on
      .selectFrom("reinstate_outcomes")
      .select(["position", "outcome"])
      .where("batch_id", "=", batchId)
      .where("generation", "=", generation)
      .where("seq", "=", seq)
      .execute();
    const outcomes = new Map(rows.map(({ position, outcome }) => [position, outcome]));
    const items = unpack(chunk.codec, chunk.packed).filter(
      (_, position) => (outcomes.get(position) ?? chunk.rest_outcome ?? "done") === "failed",
    );
    return { codec: chunk.codec, items };
  }
}

type ChunkState = LedgerTables["reinstate_chunks"]["state"];
type ChunkEnd = ReturnType<typeof endOf>;

/** A chunk as it is first written: waiting, claimed, or settled already. */
interface WrittenChunk extends ChunkId {
  packed: Packed;
  now: number;
  claim?: { worker: string; leaseUntil: number } | undefined;
  settled?: Settlement;
  refused?: true;
}

/** Column by column: to spread some rows into one takes longer than to insert it. */
function batchRow(id: number, batch: NewBatch, now: number, status: BatchStatus, only?: Packed, end?: Settlement) {
  return {
    id,
    operation: batch.operation,
    label: batch.label,
    target: batch.target,
    account: batch.account,
    params: JSON.stringify(batch.params),
    actor: batch.actor,
    status,
    total: batch.total,
    duplicates: batch.duplicates,
    error: null,
    dry_run: batch.dryRun ? 1 : 0,
    max_failure_rate: batch.stopRule?.maxFailureRate ?? null,
    failure_after: batch.stopRule?.after ?? null,
    next_allowed_at: null,
    created_at: now,
    updated_at: now,
    started_at: status === "pending" ? null : now,
    finished_at: status === "completed" ? now : null,
    done: end?.counts.done ?? null,
    skipped: end?.counts.skipped ?? null,
    failed: end?.counts.failed ?? null,
    unknown: end?.counts.unknown ?? null,
    rest_outcome: end ? restOutcome(end) : null,
    rest_code: end?.rest.code ?? null,
    rest_message: end?.rest.message ?? null,
    tally: end ? tallyText(end.tally) : null,
    codec: only?.codec ?? null,
    packed: only?.bytes ?? null,
  };
}

function chunkRow({ batchId, generation, seq, packed, now, claim, settled, refused }: WrittenChunk) {
  return {
    batch_id: batchId,
    generation,
    seq,
    item_count: packed.count,
    ...(settled ? endOf(settled, now) : { ...noEnd, state: claim ? ("claimed" as const) : ("waiting" as const) }),
    refused: refused ? 1 : 0,
    attempts: claim ? 1 : 0,
    worker: claim?.worker ?? null,
    lease_until: claim?.leaseUntil ?? null,
  };
}

function itemsRow({ batchId, generation, seq, packed: { codec, bytes } }: WrittenChunk) {
  return { batch_id: batchId, generation, seq, codec, packed: bytes };
}

function newlyClaimed({ packed: { codec, bytes, count }, ...id }: ChunkId & { packed: Packed }): ClaimedChunk {
  return { ...id, codec, packed: bytes, count, attempt: 1, interrupted: false };
}

const noChunk: { [Column in keyof OnlyChunk]: null } = {
  ...{ done: null, skipped: null, failed: null, unknown: null },
  ...{ rest_outcome: null, rest_code: null, rest_message: null, tally: null, codec: null, packed: null },
};

const noEnd = {
  ...noCounts(),
  ...{ rest_outcome: null, rest_code: null, rest_message: null, tally: null, finished_at: null },
};

/** What a finished chunk's row says. */
function endOf(settlement: Settlement, now: number) {
  const { counts, rest, tally } = settlement;
  return {
    state: "finished" as const,
    ...counts,
    rest_outcome: restOutcome(settlement),
    rest_code: rest.code,
    rest_message: rest.message,
    tally: tallyText(tally),
    finished_at: now,
  };
}

const restOutcome = ({ rest: { outcome } }: Settlement) => (outcome === "done" ? null : outcome);

const tallyText = (tally: Record<string, number>) => (Object.keys(tally).length === 0 ? null : JSON.stringify(tally));

function* slices<Row>(rows: readonly Row[]): Generator<Row[]> {
  for (let start = 0; start < rows.length; start += rowsPerInsert) yield rows.slice(start, start + rowsPerInsert);
}
