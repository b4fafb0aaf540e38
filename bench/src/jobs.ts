import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { postgresDatabase } from "@reinstate/tooling/databases";
import { type Bare, openBare } from "./bare.ts";
import { startBullmqJobs, startPgBossJobs } from "./job-queues.ts";
import { account, fillPromoters, idsFrom } from "./promoters.ts";
import { type Line, median, rate, thousands } from "./report.ts";
import { isQuick } from "./scale.ts";

/** Connections of each side: for our chunks, and for the statements of the jobs. */
const connections = 4;

/**
 * Compares our batch with one job per id in two queues, in alternating rounds with equal connections. The jobs are a sample,
 * because a million of them would only make their table slower.
 */
export async function jobs(scale: number): Promise<Line[]> {
  const rounds = isQuick(scale) ? 1 : 5;
  const mine = Math.round(100_000 * scale);
  const theirs = isQuick(scale) ? 20 : Math.max(100, Math.min(2500, Math.round(25_000 * scale)));
  await using opened = await postgresDatabase();
  const host = await createHost({ databaseUrl: opened.url, concurrency: connections });
  await createFirstPromoter(host);
  await using bare = await openBare(opened.url);
  await fillPromoters(bare, (rounds + 1) * (mine + 2 * theirs));
  await using pgBoss = await startPgBossJobs(opened.url, connections);
  await using bullmq = await startBullmqJobs(opened.url, connections);
  const queues = { pgBoss, bullmq };
  const seconds: Record<"ours" | keyof typeof queues, number[]> = { ours: [], pgBoss: [], bullmq: [] };
  let next = 1;
  const take = (count: number) => {
    next += count;
    return idsFrom(next - count, count);
  };
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const timed = async (name: keyof typeof seconds, work: () => Promise<void>) => {
      const start = performance.now();
      await work();
      if (round > 0) seconds[name].push((performance.now() - start) / 1000);
    };
    await timed("ours", async () => {
      const operation = "firstpromoter.promoters.restore";
      const { id } = await host.batches.submit({ operation, account, items: take(mine), inline: false });
      const { counts } = await host.batches.wait(id, { pollMs: 10 });
      if (counts.done !== mine) throw new Error(`${counts.done} of ${mine} items are done`);
    });
    for (const name of ["pgBoss", "bullmq"] as const) {
      const ids = take(theirs);
      await timed(name, () => queues[name].restore(ids));
    }
  }
  const left = await countArchived(bare, next - 1);
  if (left > 0) throw new Error(`${left} promoters are still archived`);
  await host.close();
  const ours = median(seconds.ours.map((time) => mine / time));
  return (
    [
      ["pg-boss", seconds.pgBoss],
      ["BullMQ", seconds.bullmq],
    ] as const
  ).map(([queue, times]) => ({
    work: `restore ${thousands(mine)} promoters, from the request to the end`,
    database: "PostgreSQL",
    ours: rate(ours, "ids"),
    compared: `one ${queue} job per id: ${rate(median(times.map((time) => theirs / time)), "ids")}`,
    figure: median(times.map((time, round) => mine / (seconds.ours[round] as number) / (theirs / time))),
    wanted: { atLeast: queue === "pg-boss" ? 20 : 5 },
  }));
}

/** Counts the promoters up to an id that no side has restored. */
async function countArchived(bare: Bare, last: number): Promise<number> {
  const [row] = await bare.rows<{ count: string }>(
    "select count(*) as count from firstpromoter_promoters where id <= $1 and archived_at is not null",
    last,
  );
  return Number(row?.count);
}
