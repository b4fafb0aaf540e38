import { setTimeout } from "node:timers/promises";
import { createAltcraft } from "@reinstate/altcraft";
import { createAltcraftClient } from "@reinstate/altcraft/client";
import { createHost } from "@reinstate/batch-core";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { type Line, median, rate } from "./report.ts";
import { isQuick } from "./scale.ts";
import { serving } from "./serving.ts";
import { fillSubscriptions, subscriptionsFrom } from "./subscriptions.ts";

/** Milliseconds after which the vendor answers, as over a network. */
const latencyMs = 20;
/** Concurrent calls of each side. */
const concurrency = 4;

/**
 * Runs a batch at the real vendor, played by a second server, in alternating rounds with a hand-written loop over the same client.
 * The loop stores nothing, so a crash leaves it without an answer for the calls in progress.
 */
export async function vendorLoop(scale: number): Promise<Line[]> {
  const rounds = isQuick(scale) ? 1 : 3;
  const count = isQuick(scale) ? 8 : Math.max(40, Math.round(2000 * scale));
  await using vendorDatabase = sqliteDatabase();
  const vendorHost = await createHost({ databaseUrl: vendorDatabase.url });
  const { routes } = await createAltcraft(vendorHost);
  const { secret: token } = await vendorHost.keys.create({ vendor: "altcraft" });
  await using bare = await openBare(vendorDatabase.url);
  await fillSubscriptions(bare, 2 * (rounds + 1) * count);
  await using server = await serving(async (request) => {
    await setTimeout(latencyMs);
    return routes.fetch(request);
  });
  const baseUrl = `${server.url}/api/v1.1`;

  await using ownDatabase = sqliteDatabase();
  const host = await createHost({ databaseUrl: ownDatabase.url });
  const limits = { upstreamConcurrency: concurrency, upstreamPerSecond: 10_000 };
  await createAltcraft(host, { ...limits, upstream: { baseUrl, token } });
  const { subscriptions } = createAltcraftClient({ baseUrl, token });

  const seconds: { ours: number; loop: number }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const [mine, theirs] = [0, 1].map((side) => subscriptionsFrom(1 + (2 * round + side) * count, count)) as [
      ReturnType<typeof subscriptionsFrom>,
      ReturnType<typeof subscriptionsFrom>,
    ];
    const start = performance.now();
    const operation = "altcraft.subscriptions.undelete";
    const { id } = await host.batches.submit({ operation, target: "upstream", items: mine, inline: false });
    const { counts } = await host.batches.wait(id, { pollMs: 10 });
    if (counts.done !== count) throw new Error(`${counts.done} of ${count} items are done`);
    const between = performance.now();
    const left = [...theirs];
    const work = async () => {
      for (let next = left.pop(); next; next = left.pop()) await subscriptions.undelete(next);
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    // The first round warms up.
    if (round > 0) seconds.push({ ours: between - start, loop: performance.now() - between });
  }
  await host.close();
  await vendorHost.close();
  const speed = (way: "ours" | "loop") => rate(median(seconds.map((times) => (1000 * count) / times[way])), "calls");
  return [
    {
      work: `${count} calls of a vendor that takes ${latencyMs} ms, ${concurrency} at a time`,
      database: "SQLite",
      ours: speed("ours"),
      compared: `a hand-written loop of calls: ${speed("loop")}`,
      figure: median(seconds.map(({ ours, loop }) => loop / ours)),
      wanted: { atLeast: 0.8 },
    },
  ];
}
