import { createAltcraft } from "@reinstate/altcraft";
import { createHost } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { type Line, median } from "./report.ts";
import { isQuick } from "./scale.ts";
import { fillSubscriptions, subscription } from "./subscriptions.ts";

const perTurn = 50;
const token = "bench-token";

/** A server with a table of `size` subscriptions. */
interface Table {
  size: number;
  routes: { fetch(request: Request): Response | Promise<Response> };
}

/** Compares `get` and `undelete` on tables of 50k and 5M subscriptions, in alternating turns. */
export async function altcraftLarge(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (const database of ledgerDatabases) lines.push(...(await smallAndLarge(database, scale)));
  return lines;
}

async function smallAndLarge(
  { name: database, open }: (typeof ledgerDatabases)[number],
  scale: number,
): Promise<Line[]> {
  const [turns, warmUp] = isQuick(scale) ? [1, 0] : [40, 4];
  const sizes = { small: isQuick(scale) ? 500 : 50_000, large: Math.round(5_000_000 * scale) };
  const tables: Table[] = [];
  await using disposal = new AsyncDisposableStack();
  for (const size of Object.values(sizes)) {
    const opened = disposal.use(await open());
    const host = await createHost({ databaseUrl: opened.url });
    disposal.defer(() => host.close());
    const { routes } = await createAltcraft(host, { deletedInReads: "shown" });
    await host.keys.create({ vendor: "altcraft", secret: token });
    await using bare = await openBare(opened.url);
    await fillSubscriptions(bare, size);
    tables.push({ size, routes });
  }
  const call = async ({ size, routes }: Table, method: string) => {
    const one = subscription(1 + Math.floor(Math.random() * size));
    const request = new Request(`http://localhost/api/v1.1/subscriptions/${method}`, {
      method: "POST",
      body: JSON.stringify({ token, ...one }),
    });
    const start = performance.now();
    const { status } = await routes.fetch(request);
    if (status !== 200) throw new Error(`${method} answered ${status}`);
    return performance.now() - start;
  };
  const lines: Line[] = [];
  for (const method of ["get", "undelete"]) {
    const measured: number[][] = [];
    for (let turn = 0; turn < turns; turn++) {
      const one: number[] = [];
      for (const table of turn % 2 ? tables.toReversed() : tables) {
        const taken: number[] = [];
        for (let i = 0; i < perTurn; i++) taken.push(await call(table, method));
        one.push(median(taken));
      }
      if (turn >= warmUp) measured.push(turn % 2 ? one.reverse() : one);
    }
    const ms = (index: number) => `${median(measured.map((one) => one[index] as number)).toFixed(3)} ms`;
    lines.push({
      work: `Altcraft ${method} among ${(sizes.large / 1_000_000).toFixed(1)}M`,
      database,
      ours: ms(1),
      compared: `among ${(sizes.small / 1000).toFixed(0)}k: ${ms(0)}`,
      figure: median(measured.map((one) => (one[1] as number) / (one[0] as number))),
      wanted: { atMost: 1.5 },
    });
  }
  return lines;
}
