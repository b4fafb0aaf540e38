import { randomInt } from "node:crypto";
import { type Job, type JobInsert, PgBoss } from "pg-boss";
import { acceptsOptions } from "../database/pooler.ts";
import { ReinstateError, toMessage } from "../errors/errors.ts";
import type { ReadyBatch } from "../ledger/ledger.ts";
import type { Target } from "../operation/operation.ts";
import type { Engine, EngineParts } from "./engine.ts";
import { toUuid } from "./slice-id.ts";

/** A turn: the right of whoever holds it to work off chunks of a batch, whichever wait, for a slice of time. */
interface TimeSlice {
  batchId: number;
  operation: string;
  target: Target;
  /** Its rank among the turns of its batch, from 0. */
  rank: number;
}

type QueuedSlice = JobInsert<TimeSlice> & { id: string };

const queue = "reinstate";
/** Turns of one batch in the queue at most: more than all processes together have lanes. */
const slicesPerBatch = 64;
/**
 * The next sweep replaces a turn that was lost in a crash of the database, so its commit need not wait for the disk. A setting of the
 * whole connection: behind a pooler, which shares it with the ledger's transactions, the commits wait.
 */
const withoutFlush = "-c synchronous_commit=off";
/** How long a turn lasts, one chunk at least: so small chunks do not pay for a round through the queue each. */
const sliceMs = 50;
/** How often the ledger is looked at when nobody notifies. */
const sweepMs = 1000;
/** When the turns of a batch are made good, should some have been lost. */
const renewMs = 5000;
/** A wait is looked at anew so often: it may have become shorter. */
const longestWaitMs = 60_000;
/** How long a process that met an operation that it cannot carry out leaves the queue to others. */
const foreignMs = 250;
/** Of the connections of pg-boss, which hands them to the driver. A server that is paused would never answer. */
const timeouts = { connectionTimeoutMillis: 5_000, query_timeout: 30_000, keepAlive: true };
/** Rows of one INSERT. */
const insertRows = 1000;

/**
 * Hands out chunks through a queue of pg-boss, in its own schema of the ledger's PostgreSQL. In the queue are turns, not
 * chunks: a worker that gets one takes whatever chunks the ledger has for it, and puts the turn back at the end. So nothing
 * in the queue is needed to know what is to be done, and a turn that is lost, doubled or late does no harm.
 */
export function createPgBossEngine(parts: EngineParts): Engine {
  const { databaseUrl, ledger, runner, operation, clock, log, lanes, noteFault } = parts;
  if (!/^postgres(ql)?:/.test(databaseUrl)) {
    throw new ReinstateError("bad_setting", "The pg-boss engine needs a PostgreSQL database");
  }
  const stopping = new AbortController();
  let news = new AbortController();
  let boss: PgBoss | undefined;
  let sweeping: Promise<void> | undefined;
  let worker = "";
  // Every process begins at another place, so that turns in the hands of a dead one do not stand in the way of the next.
  const firstPlace = randomInt(slicesPerBatch);
  /** When the turns of an open batch are to be made good. */
  let renewals = new Map<number, number>();

  const known = (turn: Pick<TimeSlice, "operation" | "target">) => operation(turn.operation, turn.target) !== undefined;

  async function sweep(boss: PgBoss): Promise<void> {
    while (!stopping.signal.aborted) {
      const seen = news;
      try {
        await fill(boss);
      } catch (error) {
        noteFault(error);
        log.error({ error: toMessage(error) }, "the engine could not look for open batches");
      }
      await clock.sleep(sweepMs, AbortSignal.any([stopping.signal, seen.signal]));
    }
  }

  /** Sees to it that every open batch has its turns in the queue. */
  async function fill(boss: PgBoss): Promise<void> {
    const now = clock.now();
    const open = await ledger.ready(slicesPerBatch, now);
    const before = renewals;
    renewals = new Map();
    const turns: QueuedSlice[] = [];
    for (const batch of open) {
      const renewal = before.get(batch.id) ?? now;
      const due = renewal <= now && known(batch);
      renewals.set(batch.id, due ? now + renewMs : renewal);
      if (due) turns.push(...makeJobs(batch, firstPlace));
    }
    for (let start = 0; start < turns.length; start += insertRows) {
      await insert(boss, turns.slice(start, start + insertRows));
    }
    if (turns.length > 0) boss.notifyWorker(worker);
  }

  /** Works off chunks for a slice of time; answers in how many milliseconds the turn comes again, undefined where it is over. */
  async function take(turn: TimeSlice): Promise<number | undefined> {
    if (stopping.signal.aborted) return 0;
    if (!known(turn)) return 0;
    try {
      const end = clock.now() + sliceMs;
      let result: Awaited<ReturnType<typeof runner.runNext>>;
      do result = await runner.runNext(turn.batchId);
      while (result === "ran" && clock.now() < end && !stopping.signal.aborted);
      if (result === "ran") return 0;
      if (typeof result === "object") return Math.min(Math.max(0, result.from - clock.now()), longestWaitMs);
      // Where the batch is not closed its chunks are in other hands, or wait: the next look into the ledger tells.
      renewals.delete(turn.batchId);
      return undefined;
    } catch (error) {
      log.error({ batch: turn.batchId, error: toMessage(error) }, "the engine could not reach the ledger");
      return sweepMs;
    }
  }

  async function runJobs(boss: PgBoss, jobs: Job<TimeSlice>[]): Promise<void> {
    const again: QueuedSlice[] = [];
    let soonest = Number.POSITIVE_INFINITY;
    await Promise.all(
      jobs.map(async ({ id, data }) => {
        const waitMs = await take(data);
        if (waitMs === undefined) return;
        soonest = Math.min(soonest, waitMs);
        again.push(makeJob(id, data, waitMs));
      }),
    );
    // Not completed but taken out: the same turn, under the same id, goes back in at the end.
    await boss.deleteJob(queue, jobs);
    if (again.length > 0) await insert(boss, again);
    if (!jobs.every(({ data }) => known(data))) return clock.sleep(foreignMs, stopping.signal);
    if (soonest < 500) void clock.sleep(soonest, stopping.signal).then(() => boss.notifyWorker(worker));
  }

  return {
    async start() {
      boss = new PgBoss({
        connectionString: databaseUrl,
        schema: "reinstate_pgboss",
        application_name: "reinstate pg-boss",
        max: 3,
        ...timeouts,
        ...((await acceptsOptions(databaseUrl, withoutFlush)) && { options: withoutFlush }),
        schedule: false,
        superviseIntervalSeconds: 5,
        monitorIntervalSeconds: 5,
      });
      boss.on("error", (error) => {
        noteFault(error);
        log.error({ error: toMessage(error) }, "pg-boss met an error");
      });
      boss.on("warning", ({ message }) => log.warn({ warning: message }, "pg-boss warns"));
      await boss.start();
      const options = {
        heartbeatSeconds: 10,
        // A turn is given back as often as its workers die.
        retryLimit: 1_000_000,
        // A worker that lives may take its time; one that does not is noticed by its heart.
        expireInSeconds: 82_800,
      };
      await boss.createQueue(queue, options);
      await boss.updateQueue(queue, options);
      worker = await boss.work<TimeSlice>(
        queue,
        { batchSize: lanes, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5, heartbeatRefreshSeconds: 3 },
        (jobs) => runJobs(boss as PgBoss, jobs),
      );
      sweeping = sweep(boss);
    },
    notify() {
      const woken = news;
      news = new AbortController();
      woken.abort();
    },
    async stop() {
      stopping.abort();
      await sweeping;
      await boss?.offWork(queue, { wait: true });
      await boss?.stop({ graceful: false });
    },
  };
}

/** Those that are there already stay as they are. In one order always: two who insert the same must not wait for each other. */
async function insert(boss: PgBoss, turns: QueuedSlice[]): Promise<void> {
  await boss.insert(
    queue,
    turns.sort((a, b) => (a.id < b.id ? -1 : 1)),
  );
}

function makeJobs({ id, operation, target, chunks }: ReadyBatch, firstPlace: number): QueuedSlice[] {
  // One at least: a batch whose chunks are all finished is yet to be closed.
  return Array.from({ length: Math.max(1, chunks) }, (_, rank) => {
    const place = (firstPlace + rank) % slicesPerBatch;
    return makeJob(toUuid(`${id} ${place}`), { batchId: id, operation, target, rank }, 0);
  });
}

function makeJob(id: string, turn: TimeSlice, waitMs: number): QueuedSlice {
  return {
    id,
    data: turn,
    // The first turns of all batches come before the second ones of any, so that batches share the workers alike.
    priority: -turn.rank,
    group: { id: String(turn.batchId) },
    // Seconds from the database's now, whatever our own clock says.
    ...(waitMs > 0 && { startAfter: waitMs / 1000 }),
  };
}
