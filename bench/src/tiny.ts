import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { account, fillPromoters, plainRestoreOne } from "./promoters.ts";
import { type Line, median } from "./report.ts";
import { isQuick } from "./scale.ts";
import { crowd, inTurns } from "./serving.ts";

const perTurn = 50;
/** Calls of each concurrent caller in a turn. */
const perCaller = 10;
/** Turns until V8 has optimized the code, as in a server that has run for minutes. */
const warmUpTurns = 120;

/** Compares an inline batch of one promoter with the bare statement in a transaction, in alternating turns. */
export async function tiny(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const turns = isQuick(scale) ? 1 : Math.max(8, Math.round(40 * scale));
  const warmUp = isQuick(scale) ? 0 : warmUpTurns;
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
      if (counts.done !== 1) throw new Error(`Promoter ${id} was not restored`);
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
    // Warms up the code and the databases.
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
      work: `a batch of one item, inline, ${crowd} concurrent callers`,
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
