import { randomUUID } from "node:crypto";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";
import { PgBoss } from "pg-boss";
import { account } from "./promoters.ts";

/** A queue with one job per id, and the worker that runs them. */
export interface JobQueue extends AsyncDisposable {
  /** Inserts the jobs in one set. Resolves when all of them have run. */
  restore(ids: readonly number[]): Promise<void>;
}

/** The statement of one job, as a hand-written worker would run it. */
function createRestore(pool: pg.Pool) {
  return (id: number) =>
    pool.query(
      "update firstpromoter_promoters set archived_at = null, updated_at = $1 where account = $2 and id = $3 and archived_at is not null",
      [Date.now(), account, id],
    );
}

/** Resolves when a number of jobs have run. */
function createCountdown() {
  let left = 0;
  let done = Promise.withResolvers<void>();
  return {
    start(count: number) {
      left = count;
      done = Promise.withResolvers();
      return done.promise;
    },
    count(jobs: number) {
      left -= jobs;
      if (left === 0) done.resolve();
    },
  };
}

/** Starts pg-boss. The worker fetches fifty jobs at a time. */
export async function startPgBossJobs(url: string, connections: number): Promise<JobQueue> {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  const restoreOne = createRestore(pool);
  const countdown = createCountdown();
  const boss = new PgBoss({ connectionString: url, schema: "per_id", supervise: false, schedule: false });
  boss.on("error", () => {});
  await boss.start();
  await boss.createQueue("restore");
  const options = { batchSize: 50, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 };
  const worker = await boss.work<{ id: number }>("restore", options, async (jobs) => {
    await Promise.all(jobs.map(({ data }) => restoreOne(data.id)));
    countdown.count(jobs.length);
  });
  return {
    async restore(ids) {
      const ended = countdown.start(ids.length);
      await boss.insert(
        "restore",
        ids.map((id) => ({ data: { id } })),
      );
      // The worker need not wait for its next poll.
      boss.notifyWorker(worker);
      await ended;
    },
    async [Symbol.asyncDispose]() {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
}

/** The Redis of `TEST_REDIS_URL`, or of this machine. */
const redisUrl = process.env.TEST_REDIS_URL ?? "redis://127.0.0.1:6379";

/** Starts BullMQ. The worker runs as many jobs at once as there are connections. */
export async function startBullmqJobs(url: string, connections: number): Promise<JobQueue> {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  const restoreOne = createRestore(pool);
  const countdown = createCountdown();
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null, lazyConnect: true, retryStrategy: () => null });
  await connection.connect().catch(() => {
    throw new Error(`The comparison with BullMQ needs Redis at ${redisUrl}; start one, or set TEST_REDIS_URL`);
  });
  const name = `reinstate-bench-${randomUUID()}`;
  const queue = new Queue<{ id: number }>(name, { connection });
  const workerConnection = connection.duplicate({ lazyConnect: false });
  const worker = new Worker<{ id: number }>(
    name,
    async ({ data }) => {
      await restoreOne(data.id);
      countdown.count(1);
    },
    { connection: workerConnection, concurrency: connections },
  );
  await worker.waitUntilReady();
  return {
    async restore(ids) {
      const ended = countdown.start(ids.length);
      await queue.addBulk(ids.map((id) => ({ name: "restore", data: { id }, opts: { removeOnComplete: true } })));
      await ended;
    },
    async [Symbol.asyncDispose]() {
      await worker.close(true);
      await queue.obliterate({ force: true });
      await queue.close();
      for (const open of [connection, workerConnection]) open.disconnect();
      await pool.end();
    },
  };
}
