import { createAltcraft } from "@reinstate/altcraft";
import { createHost } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { type Line, median, rate } from "./report.ts";
import { isQuick } from "./scale.ts";
import { fillSubscriptions, plainUndelete, type subscription, subscriptionsFrom } from "./subscriptions.ts";
import { createTurns } from "./turns.ts";

const chunkSize = 500;
type Subscription = ReturnType<typeof subscription>;

/** Undeletes a million subscriptions as one batch, in alternating turns with plain statements. */
export async function altcraftBatch(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const turns = isQuick(scale) ? 2 : 20;
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const gate = createTurns();
    const host = await createHost({ databaseUrl: opened.url, clock: gate.clock, concurrency: 1 });
    await createAltcraft(host);
    await using bare = await openBare(opened.url);
    const perTurn = Math.max(1, Math.round((1_000_000 * scale) / chunkSize / turns));
    await fillSubscriptions(bare, (2 * turns * perTurn + 1) * chunkSize);
    // Both advance through the table together. The engine runs one chunk before the first turn.
    const mine = subscriptionsFrom(1, chunkSize);
    const theirs: Subscription[][] = [];
    let from = 1 + chunkSize;
    for (let turn = 0; turn < turns; turn++, from += 2 * perTurn * chunkSize) {
      const [first, second] = [from, from + perTurn * chunkSize];
      for (const one of subscriptionsFrom(turn % 2 ? second : first, perTurn * chunkSize)) mine.push(one);
      theirs.push(subscriptionsFrom(turn % 2 ? first : second, perTurn * chunkSize));
    }
    const operation = "altcraft.subscriptions.undelete";
    const batch = await host.batches.submit({ operation, items: mine, inline: false });
    const loop = plainUndelete(bare);
    const seconds: { ours: number; plain: number }[] = [];
    const timed = async (work: () => Promise<void>) => {
      const start = performance.now();
      await work();
      return (performance.now() - start) / 1000;
    };
    const ours = () => timed(() => gate.take(perTurn));
    const plain = (turn: number) =>
      timed(async () => {
        const all = theirs[turn] as Subscription[];
        for (let i = 0; i < perTurn; i++) await loop(all.slice(i * chunkSize, (i + 1) * chunkSize));
      });
    for (let turn = 0; turn < turns; turn++) {
      const first = turn % 2 ? await plain(turn) : await ours();
      const second = turn % 2 ? await ours() : await plain(turn);
      seconds.push(turn % 2 ? { ours: second, plain: first } : { ours: first, plain: second });
    }
    gate.release();
    const { counts, status } = await host.batches.wait(batch.id);
    if (status !== "completed" || counts.done !== mine.length)
      throw new Error(`The batch is ${status} with ${counts.done} done`);
    const speed = (way: "ours" | "plain") =>
      rate((perTurn * chunkSize) / median(seconds.map((one) => one[way])), "subscriptions");
    lines.push({
      work: `Altcraft undelete of ${Math.round(mine.length / 1000)}k as one batch`,
      database,
      ours: speed("ours"),
      compared: `plain statements: ${speed("plain")}`,
      figure: median(seconds.map(({ ours, plain }) => plain / ours)),
      wanted: { atLeast: 0.7 },
    });
    await host.close();
  }
  return lines;
}
