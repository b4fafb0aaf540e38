import { createHost, defineOperation, type EngineFactory } from "@reinstate/batch-core";
import { createPgBossEngine } from "@reinstate/batch-core/pg-boss";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { postgresDatabase } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { account, fillPromoters, idsFrom, plainRestoreOne } from "./promoters.ts";
import { type Line, median, rate } from "./report.ts";
import { isQuick } from "./scale.ts";

const concurrency = 5;

/**
 * Measures chunks a second. Each chunk has one promoter and commits in a transaction of its own, so the engine dominates the
 * cost.
 */
export async function chunks(scale: number): Promise<Line[]> {
  const size = isQuick(scale) ? { runs: 1, count: 20 } : { runs: 3, count: Math.max(300, Math.round(1000 * scale)) };
  const boss = await measureRate(size, createPgBossEngine);
  const inProcess = await measureRate(size);
  return [
    {
      work: "chunks through pg-boss, in our transactions",
      database: "PostgreSQL",
      ours: rate(boss.ours, "chunks"),
      compared: `in-process engine: ${rate(inProcess.ours, "chunks")}; bare: ${rate(boss.plain, "updates")}`,
      figure: boss.ours,
      unit: " chunks/s",
      wanted: { atLeast: 300 },
    },
  ];
}

/** Measures an engine (default: the in-process one) and the bare statement, one after the other. */
async function measureRate(
  { runs, count }: { runs: number; count: number },
  engine?: EngineFactory,
): Promise<{ ours: number; plain: number }> {
  await using opened = await postgresDatabase();
  const host = await createHost({ databaseUrl: opened.url, concurrency, ...(engine && { engine }) });
  const { store, operations } = await createFirstPromoter(host);
  const restore = operations[0];
  if (!restore) throw new Error("FirstPromoter has no operations");
  const restoreOne = defineOperation<number, unknown>({
    ...restore,
    name: "bench.promoters.restore",
    chunkSize: 1,
    inlineLimit: 0,
    async apply({ items, transaction }) {
      const { changed } = await store.restore(account, items, Date.now(), transaction);
      return changed.map((key) => ({ key, outcome: "done" }));
    },
  });
  host.register(restoreOne);
  await using bare = await openBare(opened.url);
  await fillPromoters(bare, 2 * (runs + 1) * count);
  const plain = plainRestoreOne(bare);
  const seconds = { ours: [] as number[], plain: [] as number[] };
  // The first run is a warm-up.
  for (let run = 0, from = 1; run <= runs; run++, from += 2 * count) {
    const start = performance.now();
    const { id } = await host.batches.submit({ operation: restoreOne.name, account, items: idsFrom(from, count) });
    const { counts } = await host.batches.wait(id, { pollMs: 10 });
    if (counts.done !== count) throw new Error(`${counts.done} of ${count} items are done`);
    const between = performance.now();
    for (const promoter of idsFrom(from + count, count)) await plain(promoter);
    if (run === 0) continue;
    seconds.ours.push((between - start) / 1000);
    seconds.plain.push((performance.now() - between) / 1000);
  }
  await host.close();
  return { ours: count / median(seconds.ours), plain: count / median(seconds.plain) };
}
