import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { plainList, plainRestoreRoute } from "./firstpromoter-plain.ts";
import { crowded, fillTables } from "./firstpromoter-tables.ts";
import { type Line, median } from "./report.ts";
import { isQuick } from "./scale.ts";
import { crowd, inTurns, serving } from "./serving.ts";

const perTurn = 20;
const base = "/api/v2/company";

/** Compares a list of 100 and a restore of 5 over HTTP with hand-written routes of the same statements. */
export async function firstpromoterHttp(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const turns = isQuick(scale) ? 1 : Math.max(10, Math.round(60 * scale));
  // The promoters in the table.
  const size = isQuick(scale) ? 10_000 : 100_000;
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const host = await createHost({ databaseUrl: opened.url });
    const { routes } = await createFirstPromoter(host, { rateLimit: 0 });
    const { secret } = await host.keys.create({ vendor: "firstpromoter", account: crowded });
    await using bare = await openBare(opened.url, 10);
    await fillTables(bare, size);
    {
      await using ours = await serving(routes.fetch, { authorization: `Bearer ${secret}`, "account-id": crowded });
      await using lists = await serving(plainList(bare).fetch);
      await using restores = await serving(plainRestoreRoute(bare).fetch);
      const path = `${base}/promoters?per_page=100`;
      if ((await ours.call(path)) !== (await lists.call(path))) throw new Error("The two lists differ");
      const list = await compareWays({ turns, perTurn, clients: 1 }, [() => ours.call(path), () => lists.call(path)]);
      // Each archived id is used once, because a restore without a change writes nothing.
      let next = 0;
      const archived = () => {
        do next++;
        while (next % 10 === 0 || next % 10 === 2);
        if (next > size) throw new Error("No archived promoter is left; use a larger table");
        return next;
      };
      const five = () => JSON.stringify({ ids: Array.from({ length: 5 }, archived) });
      const restoring = [
        () => ours.call(`${base}/promoters/restore`, five()),
        () => restores.call("/restore", five()),
      ] as const;
      const alone = await compareWays({ turns, perTurn, clients: 1 }, restoring);
      const many = await compareWays({ turns: Math.ceil(turns / 2), perTurn: 10, clients: crowd }, restoring);
      const wanted = { atLeast: 0.8 };
      for (const [work, bareWay, { ms, figure }, target] of [
        ["FirstPromoter's list of 100 over HTTP", "bare query", list, { wanted }],
        [`FirstPromoter's restore of 5 over HTTP, ${crowd} clients`, "bare statements", many, { wanted }],
        // See docs/decisions/http-performance-target.md.
        ["FirstPromoter's restore of 5 over HTTP, one client", "bare statements", alone, {}],
      ] as const) {
        lines.push({
          work,
          database,
          ours: `${ms[0]?.toFixed(2)} ms`,
          compared: `Hono route, ${bareWay}: ${ms[1]?.toFixed(2)} ms`,
          figure,
          ...target,
        });
      }
    }
    await host.close();
  }
  return lines;
}

/** Measures two ways in alternating turns. The figure is the time of the second divided by that of the first. */
async function compareWays(load: Parameters<typeof inTurns>[0], ways: readonly [Way, Way]) {
  const rows = await inTurns(load, ways);
  return {
    ms: ways.map((_, index) => median(rows.map((row) => row[index] as number))),
    figure: median(rows.map(([ours, plain]) => (plain as number) / (ours as number))),
  };
}

type Way = () => Promise<unknown>;
