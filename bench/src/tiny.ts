import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { account, fillPromoters, plainRestoreOne } from "./promoters.ts";
import { type Line, median } from "./report.ts";
import { crowd, inTurns } from "./serving.ts";

const perTurn = 50;
/** Calls of one of several callers in a turn. */
const perCaller = 10;
/** Some thousands of calls until the engine has made all of the code as fast as it will be, as in a server of some minutes. */
const warmUp = 120;

/** A batch of one promoter, done when it is answered, in turns with the bare statement in a transaction of its own. */
export async function tiny(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const turns = Math.max(8, Math.round(40 * scale));
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const host = await createHost({ databaseUrl: opened.url });
    await createFirstPromoter(host);
    await using bare = await openBare(opened.url);
    await using pool = await openBare(opened.url, 10);
    await fillPromoters(bare, 2 * (perTurn * (turns + warmUp) + perCaller * crowd * (turns + 6)));
    const plain = plainRestoreOne(bare);
    const plainOfMany = plainRestoreOne(pool);
    const ours = async (id: number) => {
      const batch = { operation: "firstpromoter.promoters.restore", account, items: [id] };
      const { counts } = await host.batches.submit(batch);
      if (counts.done !== 1) throw new Error(`The promoter ${id} was not restored`);
    };
    let next = 1;
    const times = async (restoreOne: (id: number) => Promise<void>) => {
      const taken: number[] = [];
      for (let i = 0; i < perTurn; i++) {
        const start = performance.now();
        await restoreOne(next++);
        taken.push(performance.now() - start);
      }
      return median(taken);
    };
    // Code warms up, and the databases.
    for (let i = 0; i < warmUp; i++) await times(i % 2 === 0 ? ours : plain);
    const pairs: { ours: number; plain: number }[] = [];
    for (let turn = 0; turn < turns; turn++) pairs.push({ ours: await times(ours), plain: await times(plain) });
    const ms = (way: "ours" | "plain") => `${median(pairs.map((pair) => pair[way])).toFixed(2)} ms`;
    lines.push({
      work: "a batch of one item, inline",
      database,
      ours: ms("ours"),
      compared: `bare statement in its transaction: ${ms("plain")}`,
      figure: median(pairs.map((pair) => pair.plain / pair.ours)),
      wanted: { atLeast: 0.6 },
    });
    const many = { turns, perTurn: perCaller, clients: crowd };
    const rows = await inTurns(many, [() => ours(next++), () => plainOfMany(next++)]);
    const each = (way: number) => `${median(rows.map((row) => row[way] as number)).toFixed(2)} ms`;
    lines.push({
      work: `the same, ${crowd} callers at once, per batch`,
      database,
      ours: each(0),
      compared: `bare statements, each in its transaction: ${each(1)}`,
      figure: median(rows.map(([ours, plain]) => (plain as number) / (ours as number))),
      wanted: { atLeast: 0.6 },
    });
    await host.close();
  }
  return lines;
}
