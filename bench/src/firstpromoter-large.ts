import { createHost, type Host } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { type Call, calls, untouched } from "./firstpromoter-calls.ts";
import { crowded, fillTables, sparse } from "./firstpromoter-tables.ts";
import { type Line, median, thousands } from "./report.ts";
import { isQuick } from "./scale.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

/** A server with a table of `size` promoters. */
interface Served {
  size: number;
  fetch: Fetch;
  secrets: { crowded: string; sparse: string };
}

/** The target in milliseconds per call, by the number of promoters. */
const budgets = [
  { size: 100_000, atMost: 50 },
  { size: 1_000_000, atMost: 250 },
];

/** Measures every call of FirstPromoter's API on large tables. Reports the slowest of each group. */
export async function firstpromoterLarge(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const quick = isQuick(scale);
  const tables = quick ? [{ size: 1000, atMost: 50 }] : budgets.filter(({ size }) => size <= 1_000_000 * scale);
  for (const { name: database, open } of ledgerDatabases) {
    for (const { size, atMost } of tables) {
      await using disposal = new AsyncDisposableStack();
      const opened = disposal.use(await open());
      const host = await createHost({ databaseUrl: opened.url });
      disposal.defer(() => host.close());
      const table = await serve(host, opened.url, size);
      for (const [work, group] of Object.entries(untouched))
        lines.push(await findSlowest(database, work, group, table, quick));
      for (const [work, group] of Object.entries(calls)) {
        lines.push({ ...(await findSlowest(database, work, group, table, quick)), wanted: { atMost } });
      }
    }
  }
  return lines;
}

async function serve(host: Host, url: string, size: number): Promise<Served> {
  const { routes } = await createFirstPromoter(host, { rateLimit: 0 });
  await using bare = await openBare(url);
  const start = performance.now();
  await fillTables(bare, size);
  process.stderr.write(`${url}: ${size} filled in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  const secret = async (account: string) => (await host.keys.create({ vendor: "firstpromoter", account })).secret;
  // One batch of all promoters, which changes no live one.
  const batch = await host.batches.submit({
    operation: "firstpromoter.promoters.archive",
    account: crowded,
    items: Array.from({ length: size }, (_, index) => index + 1),
    inline: false,
    dryRun: true,
  });
  await host.batches.wait(batch.id);
  return { size, fetch: routes.fetch, secrets: { crowded: await secret(crowded), sparse: await secret(sparse) } };
}

async function findSlowest(
  database: string,
  work: string,
  group: Call[],
  table: Served,
  quick: boolean,
): Promise<Line> {
  const [turns, warmUp, most] = quick ? [1, 0, 1] : [7, 2, 5];
  const taken: { name: string; ms: number }[] = [];
  for (const call of group) {
    const rounds: number[] = [];
    for (let turn = 0; turn < turns; turn++) {
      const ms = await timed(call, table, turn, most);
      // The first calls warm up the code and the caches.
      if (turn >= warmUp) rounds.push(ms);
    }
    taken.push({ name: call.name, ms: median(rounds) });
  }
  taken.sort((a, b) => b.ms - a.ms);
  const [slowest] = taken as [(typeof taken)[number]];
  return {
    work: `FirstPromoter among ${thousands(table.size)}, ${work}: ${slowest.name}`,
    database,
    ours: `${slowest.ms.toFixed(2)} ms`,
    compared: `median of ${taken.length} calls: ${median(taken.map(({ ms }) => ms)).toFixed(2)} ms`,
    figure: slowest.ms,
    unit: " ms",
  };
}

let calling = 0;

/** Returns the median of at most `most` calls, or the time of one call if it is slow. */
async function timed(call: Call, table: Served, turn: number, most: number): Promise<number> {
  const taken: number[] = [];
  for (let i = 0; i < most && taken.every((ms) => ms < 50); i++) {
    const unique = call.method === undefined ? turn : calling++;
    if (call.before) await measureCall(call.before, table, unique);
    taken.push(await measureCall(call, table, unique));
  }
  return median(taken);
}

/** Returns the milliseconds of one call. */
async function measureCall(call: Call, { size, fetch, secrets }: Served, unique: number): Promise<number> {
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
