import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { postgresDatabase } from "@reinstate/tooling/databases";
import pg from "pg";
import { PgBoss } from "pg-boss";
import { openBare } from "./bare.ts";
import { account, fillPromoters, idsFrom } from "./promoters.ts";
import { type Line, median, rate, thousands } from "./report.ts";

const rounds = 5;
/** Connections of each side: for our chunks, and for the statements of the jobs. */
const connections = 4;

/**
 * Compares our batch with one pg-boss job per id, in alternating rounds with equal connections. The jobs are a sample, because a
 * million of them would only make their table slower.
 */
export async function jobs(scale: number): Promise<Line[]> {
  const mine = Math.round(100_000 * scale);
  const theirs = 2500;
  await using opened = await postgresDatabase();
  const host = await createHost({ databaseUrl: opened.url, concurrency: connections });
  await createFirstPromoter(host);
  await using bare = await openBare(opened.url);
  await fillPromoters(bare, (rounds + 1) * (mine + theirs));
  await using perId = await startJobs(opened.url);
  const rates: { ours: number; theirs: number }[] = [];
  // The first round warms up.
  for (let round = 0, from = 1; round <= rounds; round++, from += mine + theirs) {
    const start = performance.now();
    const operation = "firstpromoter.promoters.restore";
    const { id } = await host.batches.submit({ operation, account, items: idsFrom(from, mine), inline: false });
    const { counts } = await host.batches.wait(id, { pollMs: 10 });
    if (counts.done !== mine) throw new Error(`${counts.done} of ${mine} items are done`);
    const between = performance.now();
    await perId.restore(idsFrom(from + mine, theirs));
    const seconds = { ours: (between - start) / 1000, theirs: (performance.now() - between) / 1000 };
    if (round > 0) rates.push({ ours: mine / seconds.ours, theirs: theirs / seconds.theirs });
  }
  await host.close();
  return [
    {
      work: `restore ${thousands(mine)} promoters, from the request to the end`,
      database: "PostgreSQL",
      ours: rate(median(rates.map(({ ours }) => ours)), "ids"),
      compared: `one pg-boss job per id: ${rate(median(rates.map(({ theirs }) => theirs)), "ids")}`,
      figure: median(rates.map(({ ours, theirs }) => ours / theirs)),
      wanted: { atLeast: 20 },
    },
  ];
}

/** Starts a worker with one job per id. The jobs are inserted in one set, fetched fifty at a time, and run one statement each. */
async function startJobs(url: string): Promise<AsyncDisposable & { restore(ids: readonly number[]): Promise<void> }> {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  const boss = new PgBoss({ connectionString: url, schema: "per_id", supervise: false, schedule: false });
  boss.on("error", () => {});
  await boss.start();
  await boss.createQueue("restore");
  let left = 0;
  let done = Promise.withResolvers<void>();
  const worker = await boss.work<{ id: number }>(
    "restore",
    { batchSize: 50, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
    async (jobs) => {
      await Promise.all(
        jobs.map(({ data }) =>
          pool.query(
            "update firstpromoter_promoters set archived_at = null, updated_at = $1 where account = $2 and id = $3 and archived_at is not null",
            [Date.now(), account, data.id],
          ),
        ),
      );
      left -= jobs.length;
      if (left === 0) done.resolve();
    },
  );
  return {
    async restore(ids) {
      left = ids.length;
      done = Promise.withResolvers();
      await boss.insert(
        "restore",
        ids.map((id) => ({ data: { id } })),
      );
      // The worker need not wait for its next poll.
      boss.notifyWorker(worker);
      await done.promise;
    },
    async [Symbol.asyncDispose]() {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
}
