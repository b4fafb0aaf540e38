import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { type Call, calls, untouched } from "./firstpromoter-calls.ts";
import { crowded, fillTables, sparse } from "./firstpromoter-tables.ts";
import { type Line, median, thousands } from "./report.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

/** A server over a table of so many promoters. */
interface Served {
  size: number;
  fetch: Fetch;
  secrets: { crowded: string; sparse: string };
}

/** Every call of FirstPromoter's API on a large table, in turns with a small one. */
export async function firstpromoterLarge(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const sizes = [10_000, Math.round(1_000_000 * scale)];
  for (const { name: database, open } of ledgerDatabases) {
    await using disposal = new AsyncDisposableStack();
    const tables: Served[] = [];
    for (const size of sizes) {
      const opened = disposal.use(await open());
      const host = await createHost({ databaseUrl: opened.url });
      const { routes } = await createFirstPromoter(host, { rateLimit: 0 });
      disposal.defer(() => host.close());
      await using bare = await openBare(opened.url);
      const start = performance.now();
      await fillTables(bare, size);
      process.stderr.write(`${database}: ${size} filled in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
      const secret = async (account: string) => (await host.keys.create({ vendor: "firstpromoter", account })).secret;
      // Everybody in one batch, which changes nobody who is live.
      const batch = await host.batches.submit({
        operation: "firstpromoter.promoters.archive",
        account: crowded,
        items: Array.from({ length: size }, (_, index) => index + 1),
        inline: false,
        dryRun: true,
      });
      await host.batches.wait(batch.id);
      tables.push({
        size,
        fetch: routes.fetch,
        secrets: { crowded: await secret(crowded), sparse: await secret(sparse) },
      });
    }
    for (const [work, group] of Object.entries(untouched)) {
      const { wanted: _, ...told } = await compared(database, work, group, tables);
      lines.push(told);
    }
    for (const [work, group] of Object.entries(calls)) lines.push(await compared(database, work, group, tables));
  }
  return lines;
}

/** The worst of a group of calls. */
async function compared(database: string, work: string, group: Call[], tables: Served[]): Promise<Line> {
  let worst: { name: string; figure: number; ms: number[] } | undefined;
  for (const call of group) {
    const rounds: number[][] = [];
    for (let turn = 0; turn < 31 && (rounds.length < 3 || rounds.flat().every((ms) => ms < 100)); turn++) {
      const one: number[] = [];
      for (const table of turn % 2 ? tables.toReversed() : tables) one.push(await timed(call, table, turn));
      if (turn >= 2) rounds.push(turn % 2 ? one.reverse() : one);
    }
    const ms = tables.map((_, index) => median(rounds.map((one) => one[index] as number)));
    const figure = median(rounds.map(([small, large]) => (large as number) / (small as number)));
    if (figure > 1.5)
      process.stderr.write(
        `${database}: ${call.name}: ${figure.toFixed(2)} (${ms.map((one) => one.toFixed(2)).join(" → ")} ms)\n`,
      );
    if (!worst || figure > worst.figure) worst = { name: call.name, figure, ms };
  }
  const { name, figure, ms } = worst as NonNullable<typeof worst>;
  const [small, large] = tables.map(({ size }) => thousands(size));
  return {
    work: `FirstPromoter among ${large}, ${work}: ${name}`,
    database,
    ours: `${ms[1]?.toFixed(2)} ms`,
    compared: `among ${small}: ${ms[0]?.toFixed(2)} ms`,
    figure,
    wanted: { atMost: 1.5 },
  };
}

let calling = 0;

/** The median of a few calls; of one where a call takes long. */
async function timed(call: Call, table: Served, turn: number): Promise<number> {
  const taken: number[] = [];
  for (let i = 0; i < 5 && taken.every((ms) => ms < 50); i++) {
    const unique = call.method === undefined ? turn : calling++;
    if (call.before) await made(call.before, table, unique);
    taken.push(await made(call, table, unique));
  }
  return median(taken);
}

/** How long one call takes, in milliseconds. */
async function made(call: Call, { size, fetch, secrets }: Served, unique: number): Promise<number> {
  const body = call.body?.(size, unique);
  const request = new Request(encodeURI(`http://localhost/api/v2/company${call.path(size, unique)}`), {
    method: call.method ?? "GET",
    headers: {
      authorization: `Bearer ${secrets[call.sparse ? "sparse" : "crowded"]}`,
      "account-id": call.sparse ? sparse : crowded,
      "content-type": "application/json",
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const start = performance.now();
  const response = await fetch(request);
  const text = await response.text();
  const ms = performance.now() - start;
  if (!response.ok) throw new Error(`${call.name} was answered ${response.status}: ${text}`);
  return ms;
}
