import { randomInt } from "node:crypto";
import { type Job, type JobInsert, PgBoss } from "pg-boss";
import { acceptsOptions } from "../database/pooler.ts";
import { ReinstateError, toMessage } from "../errors/errors.ts";
import type { ReadyBatch } from "../ledger/ledger.ts";
import type { Target } from "../operation/operation.ts";
import type { Engine, EngineParts } from "./engine.ts";
import { toUuid } from "./slice-id.ts";

/** The data of a job: permission to run any waiting chunks of one batch for a time slice. */
interface TimeSlice {
  batchId: number;
  operation: string;
  target: Target;
  /** The rank among the jobs of its batch, from 0. */
  rank: number;
}

type QueuedSlice = JobInsert<TimeSlice> & { id: string };

const queue = "reinstate";
/** Maximum number of queued jobs of one batch: more than the concurrency of all processes together. */
const slicesPerBatch = 64;
/**
 * Performance: the next sweep replaces a job that is lost in a crash of the database, so its commit need not wait for the disk. This is
 * a setting of the connection. It is not used behind a pooler, which shares connections with the ledger's transactions.
 */
const withoutFlush = "-c synchronous_commit=off";
/** Duration of a time slice; at least one chunk runs. It saves small chunks a round trip through the queue each. */
const sliceMs = 50;
/** Polling interval of the ledger, for batches of other processes. */
const sweepMs = 1000;
/** Interval at which the lost jobs of a batch are replaced. */
const renewMs = 5000;
/** Longest delay of a job. The wait of its batch may become shorter meanwhile. */
const longestWaitMs = 60_000;
/** Pause of a process after a job whose operation it does not know, so that other processes can take the job. */
const foreignMs = 250;
/** Time-outs of pg-boss's connections. Without them, calls to a paused server would never end. */
const timeouts = { connectionTimeoutMillis: 5_000, query_timeout: 30_000, keepAlive: true };
/** Rows of one INSERT. */
const insertRows = 1000;

/**
 * Creates an engine that dispatches chunks through a pg-boss queue, in its own schema of the ledger's PostgreSQL.
 *
 * Protocol: the queue holds jobs for batches, not for chunks. The worker of a job runs whichever chunks the ledger has for the batch, and
 * re-queues the job at the end. The ledger alone decides what there is to do, so a lost, duplicate or late job does no harm.
 *
 * @throws ReinstateError `bad_setting` if the database is not PostgreSQL
 * @example const host = await createHost({ databaseUrl: "postgres://…", engine: createPgBossEngine });
 */
export function createPgBossEngine(parts: EngineParts): Engine {
  const { databaseUrl, ledger, runner, operation, clock, log, concurrency, noteFault } = parts;
  if (!/^postgres(ql)?:/.test(databaseUrl)) {
    throw new ReinstateError("bad_setting", "The pg-boss engine needs a PostgreSQL database");
  }
  const stopping = new AbortController();
  let notification = new AbortController();
  let boss: PgBoss | undefined;
  let sweeping: Promise<void> | undefined;
  let worker = "";
  // Every process starts at a random place, so the job ids of a dead process do not block those of the next one.
  const firstPlace = randomInt(slicesPerBatch);
  /** The times at which the jobs of open batches are next replaced, by batch id. */
  let renewals = new Map<number, number>();

  const isKnown = (slice: Pick<TimeSlice, "operation" | "target">) =>
    operation(slice.operation, slice.target) !== undefined;

  async function sweep(boss: PgBoss): Promise<void> {
    while (!stopping.signal.aborted) {
      const seen = notification;
      try {
        await fill(boss);
      } catch (error) {
        noteFault(error);
        log.error({ error: toMessage(error) }, "failed to queue open batches");
      }
      await clock.sleep(sweepMs, AbortSignal.any([stopping.signal, seen.signal]));
    }
  }

  /** Queues the missing jobs of every open batch. */
  async function fill(boss: PgBoss): Promise<void> {
    const now = clock.now();
    const open = await ledger.ready(slicesPerBatch, now);
    const before = renewals;
    renewals = new Map();
    const jobs: QueuedSlice[] = [];
    for (const batch of open) {
      const renewal = before.get(batch.id) ?? now;
      const due = renewal <= now && isKnown(batch);
      renewals.set(batch.id, due ? now + renewMs : renewal);
      if (due) jobs.push(...makeJobs(batch, firstPlace));
    }
    for (let start = 0; start < jobs.length; start += insertRows) {
      await insert(boss, jobs.slice(start, start + insertRows));
    }
    if (jobs.length > 0) boss.notifyWorker(worker);
  }

  /** Runs chunks for a time slice. Returns the delay in milliseconds until the job runs again; undefined if the job has ended. */
  async function runSlice(slice: TimeSlice): Promise<number | undefined> {
    if (stopping.signal.aborted) return 0;
    if (!isKnown(slice)) return 0;
    try {
      const end = clock.now() + sliceMs;
      let result: Awaited<ReturnType<typeof runner.runNext>>;
      do result = await runner.runNext(slice.batchId);
      while (result === "ran" && clock.now() < end && !stopping.signal.aborted);
      if (result === "ran") return 0;
      if (typeof result === "object") return Math.min(Math.max(0, result.from - clock.now()), longestWaitMs);
      // If the batch is still open, its chunks are claimed by other workers or wait. The next sweep queues it again.
      renewals.delete(slice.batchId);
      return undefined;
    } catch (error) {
      log.error({ batch: slice.batchId, error: toMessage(error) }, "failed to run next chunk");
      return sweepMs;
    }
  }

  async function runJobs(boss: PgBoss, jobs: Job<TimeSlice>[]): Promise<void> {
    const requeued: QueuedSlice[] = [];
    let soonest = Number.POSITIVE_INFINITY;
    await Promise.all(
      jobs.map(async ({ id, data }) => {
        const waitMs = await runSlice(data);
        if (waitMs === undefined) return;
        soonest = Math.min(soonest, waitMs);
        requeued.push(makeJob(id, data, waitMs));
      }),
    );
    // Deleted instead of completed, so that the job can be inserted again under the same id.
    await boss.deleteJob(queue, jobs);
    if (requeued.length > 0) await insert(boss, requeued);
    if (!jobs.every(({ data }) => isKnown(data))) return clock.sleep(foreignMs, stopping.signal);
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
        log.error({ error: toMessage(error) }, "pg-boss failed");
      });
      boss.on("warning", ({ message }) => log.warn({ warning: message }, "pg-boss warned"));
      await boss.start();
      const options = {
        heartbeatSeconds: 10,
        // A job is retried however many of its workers die.
        retryLimit: 1_000_000,
        // A live worker may take long. A dead one is detected by its missing heartbeat.
        expireInSeconds: 82_800,
      };
      await boss.createQueue(queue, options);
      await boss.updateQueue(queue, options);
      worker = await boss.work<TimeSlice>(
        queue,
        { batchSize: concurrency, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5, heartbeatRefreshSeconds: 3 },
        (jobs) => runJobs(boss as PgBoss, jobs),
      );
      sweeping = sweep(boss);
    },
    notify() {
      const previous = notification;
      notification = new AbortController();
      previous.abort();
    },
    async stop() {
      stopping.abort();
      await sweeping;
      await boss?.offWork(queue, { wait: true });
      await boss?.stop({ graceful: false });
    },
  };
}

/** Inserts jobs; existing ones stay unchanged. The fixed order avoids deadlocks between processes that insert the same jobs. */
async function insert(boss: PgBoss, jobs: QueuedSlice[]): Promise<void> {
  await boss.insert(
    queue,
    jobs.sort((a, b) => (a.id < b.id ? -1 : 1)),
  );
}

function makeJobs({ id, operation, target, chunks }: ReadyBatch, firstPlace: number): QueuedSlice[] {
  // At least one, because a batch whose chunks are all finished still has to be closed.
  return Array.from({ length: Math.max(1, chunks) }, (_, rank) => {
    const place = (firstPlace + rank) % slicesPerBatch;
    return makeJob(toUuid(`${id} ${place}`), { batchId: id, operation, target, rank }, 0);
  });
}

function makeJob(id: string, slice: TimeSlice, waitMs: number): QueuedSlice {
  return {
    id,
    data: slice,
    // The first jobs of all batches come before the second ones of any, so batches share the workers evenly.
    priority: -slice.rank,
    group: { id: String(slice.batchId) },
    // In seconds from the database's time, independent of this process's clock.
    ...(waitMs > 0 && { startAfter: waitMs / 1000 }),
  };
}
