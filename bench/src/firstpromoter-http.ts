import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { plainList, plainRestoreRoute } from "./firstpromoter-plain.ts";
import { crowded, fillTables } from "./firstpromoter-tables.ts";
import { type Line, median } from "./report.ts";
import { serving } from "./serving.ts";

const perTurn = 20;
const base = "/api/v2/company";
/** Promoters in the table. */
const size = 100_000;

/** A list of 100 and a restore of 5 over HTTP, in turns with routes written by hand that say the same statements. */
export async function firstpromoterHttp(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const turns = Math.max(10, Math.round(60 * scale));
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const host = await createHost({ databaseUrl: opened.url });
    const { routes } = await createFirstPromoter(host, { rateLimit: 0 });
    const { secret } = await host.keys.create({ vendor: "firstpromoter", account: crowded });
    await using bare = await openBare(opened.url);
    await fillTables(bare, size);
    {
      await using ours = await serving(routes.fetch, { authorization: `Bearer ${secret}`, "account-id": crowded });
      await using lists = await serving(plainList(bare).fetch);
      await using restores = await serving(plainRestoreRoute(bare).fetch);
      const path = `${base}/promoters?per_page=100`;
      if ((await ours.call(path)) !== (await lists.call(path))) throw new Error("The two lists are not the same");
      const list = await compared(turns, [() => ours.call(path), () => lists.call(path)]);
      // Archived ones of the account, none twice: a restore that changes nobody writes nothing.
      let next = 0;
      const archived = () => {
        do next++;
        while (next % 10 === 0 || next % 10 === 2);
        if (next > size) throw new Error("Everybody is restored");
        return next;
      };
      const five = () => JSON.stringify({ ids: Array.from({ length: 5 }, archived) });
      const restore = await compared(turns, [
        () => ours.call(`${base}/promoters/restore`, five()),
        () => restores.call("/restore", five()),
      ]);
      for (const [work, wanted, { ms, figure }] of [
        ["FirstPromoter's list of 100 over HTTP", "bare query", list],
        ["FirstPromoter's restore of 5 over HTTP", "bare statements", restore],
      ] as const) {
        lines.push({
          work,
          database,
          ours: `${ms[0]?.toFixed(2)} ms`,
          compared: `Hono route, ${wanted}: ${ms[1]?.toFixed(2)} ms`,
          figure,
          wanted: { atLeast: 0.8 },
        });
      }
    }
    await host.close();
  }
  return lines;
}

/** Two ways in turns; the figure is the second's time by the first's. */
async function compared(turns: number, ways: (() => Promise<string>)[]) {
  const measured: number[][] = [];
  for (let turn = 0; turn < turns + 6; turn++) {
    const one: number[] = [];
    for (const way of turn % 2 ? ways.toReversed() : ways) {
      const taken: number[] = [];
      for (let i = 0; i < perTurn; i++) {
        const start = performance.now();
        await way();
        taken.push(performance.now() - start);
      }
      one.push(median(taken));
    }
    // Code warms up, and the databases.
    if (turn >= 6) measured.push(turn % 2 ? one.reverse() : one);
  }
  return {
    ms: ways.map((_, index) => median(measured.map((one) => one[index] as number))),
    figure: median(measured.map(([ours, plain]) => (plain as number) / (ours as number))),
  };
}
