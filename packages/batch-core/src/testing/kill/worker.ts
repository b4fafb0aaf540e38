import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { isFinished } from "../../batch/batch.ts";
import { openDatabase } from "../../database/open-database.ts";
import { assemble } from "../assemble.ts";
import { until } from "../until.ts";
import { type Kind, killedOperations, openElsewhere } from "./operations.ts";
import type { Point } from "./points.ts";

// A process that lives to be killed: it makes the batches that it is told of, runs all there are, retries what failed, and
// ends. It waits for one line of orders, so that it can be started ahead of time.
export interface Orders {
  databaseUrl: string;
  elsewhere: string;
  /** Batches to create, each with its first item as idempotency key. Each is printed when it is accepted. */
  batches: { kind: Kind; items: number[] }[];
  /** Number of the newest batches to wait for. */
  newest: number;
  /** Kills itself when it reaches this point for the `nth` time. */
  die?: { at: Point; nth: number } | undefined;
}

const lines = createInterface({ input: process.stdin });
const orders = await new Promise<Orders>((resolve) => lines.once("line", (line) => resolve(JSON.parse(line))));
lines.close();
process.stdin.unref();

let arrivals = 0;
function at(point: Point): void {
  if (orders.die?.at !== point || ++arrivals < orders.die.nth) return;
  writeSync(1, point);
  process.kill(process.pid, "SIGKILL");
}

const real = openDatabase(orders.databaseUrl);
let retrying = false;
const database: typeof real = {
  ...real,
  transaction: (work) =>
    real.transaction(async (transaction) => {
      const result = await work(transaction);
      if (retrying) at("retrying");
      return result;
    }),
};
const { batches, start } = await assemble({
  database,
  operations: killedOperations(openElsewhere(orders.elsewhere), () => at("applied")),
  ledger: (ledger) => ({
    async accept(...args) {
      const id = await ledger.accept(...args);
      at("accepting");
      return id;
    },
    async claim(...args) {
      const chunk = await ledger.claim(...args);
      if (chunk && "seq" in chunk) at("claimed");
      return chunk;
    },
    async finishChunk(...args) {
      const written = await ledger.finishChunk(...args);
      at(args[3].transaction ? "finishing" : "finished");
      return written;
    },
    async closeBatch(...args) {
      at("closing");
      const closed = await ledger.closeBatch(...args);
      if (closed) at("closed");
      return closed;
    },
    async retry(...args) {
      retrying = true;
      const items = await ledger.retry(...args);
      retrying = false;
      at("retried");
      return items;
    },
  }),
  concurrency: 2,
  leaseMs: 300,
  pollMs: 50,
});
await start();
process.stdout.write("ready\n");

for (const { kind, items } of orders.batches) {
  const key = String(items[0]);
  const idempotency = { scope: "kill", key, digest: key };
  await until(() =>
    batches.submit({ operation: `killed.${kind}.restore`, items, idempotency }).catch((error) => {
      // The first request died, and the lease of its chunk has not expired yet.
      if (error.code !== "idempotency_running") throw error;
      return undefined;
    }),
  );
  at("accepted");
  writeSync(1, `batch ${key}\n`);
}
for (const { id } of await batches.list({ limit: orders.newest })) {
  await until(async () => {
    const { status, counts } = await batches.wait(id, { pollMs: 5 });
    if (counts.failed === 0) return isFinished(status);
    await batches.retry(id);
    return false;
  });
}
process.exit(0);
