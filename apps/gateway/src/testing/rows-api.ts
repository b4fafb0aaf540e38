import { defineOperation, type Outcome, outcomeWords, ReinstateError, type Work } from "@reinstate/batch-core";
import { createV1Routes } from "@reinstate/batch-core/http";
import { createTestHost, until } from "@reinstate/batch-core/testing";
import * as z from "zod";

/** Returns the outcome that the id of a row decides: its remainder by 4. A retry of every second failed or unknown row succeeds. */
function judgeRow(key: number, generation: number): Outcome {
  const outcome = outcomeWords[key % 4] ?? "done";
  if (outcome === "done" || (generation > 0 && key % 8 > 4)) return { key, outcome: "done" };
  return { key, outcome, code: "drawn", message: `Row ${key} is ${outcome}` };
}

/** The first row that waits until its batch is stopped. */
export const waitsForStop = 3000;
/** The first row during whose retry the batch is stopped; and the first one during whose first run it is. */
export const stopsRetry = 1000;
export const stopsRun = 2000;

/**
 * Opens `/v1` over an operation on rows, in this process and in memory. The id of a row decides its outcome. An operator stops a batch with
 * the rows from `stopsRetry` or `stopsRun` while its first chunk runs.
 */
export async function openRowsApi() {
  const host = await createTestHost();
  const { secret } = await host.keys.create({ vendor: "admin" });

  async function judge({ items, generation, batchId }: Work<number, unknown>): Promise<Outcome[]> {
    const isFrom = (first: number) => items.some((item) => item >= first);
    if (isFrom(waitsForStop)) {
      await until(async () => (await host.batches.get(batchId)).status === "stopped");
    } else if (isFrom(generation > 0 ? stopsRetry : stopsRun)) {
      await host.batches.stop(batchId).catch((error: unknown) => {
        if (!ReinstateError.is(error, "wrong_state")) throw error;
      });
    }
    return items.map((key) => judgeRow(key, generation));
  }

  for (const verb of ["restore", "archive"] as const) {
    host.register(
      defineOperation<number, unknown>({
        name: `test.rows.${verb}`,
        label: `row/${verb}`,
        role: verb,
        item: z.int().min(0),
        params: z.strictObject({}),
        columns: ["row_id"],
        key: (item) => item,
        chunkSize: 5,
        inlineLimit: 0,
        limits: { concurrency: 1 },
        effects: "elsewhere",
        repeatable: false,
        opposite: { operation: `test.rows.${verb === "restore" ? "archive" : "restore"}`, params: () => ({}) },
        apply: judge,
        reconcile: judge,
        preview: async ({ items }) => items.map((key) => judgeRow(key, 0)),
      }),
    );
  }
  const held = defineOperation<number, unknown>({
    name: "test.rows.hold",
    label: "row/hold",
    item: z.int(),
    params: z.strictObject({}),
    key: (item) => item,
    chunkSize: 5,
    inlineLimit: 0,
    limits: { allowedFrom: (now) => now + 3_600_000 },
    effects: "elsewhere",
    apply: judge,
  });
  host.register(held);
  const routes = createV1Routes(host);
  return {
    host,
    key: secret,
    fetch: async (request: Request) => routes.fetch(request),
    /** Creates a batch and waits for its end, if it has one. `isPrepared`: it waits as stopped. */
    async addBatch(items: readonly number[], { isPrepared = false } = {}): Promise<number> {
      const { id } = await host.batches.submit({ operation: "test.rows.restore", items, prepared: isPrepared });
      if (items.every((item) => item < waitsForStop)) await host.batches.wait(id);
      return id;
    },
    /** Creates a batch that may not start for an hour. */
    async addHeldBatch(): Promise<void> {
      const { id } = await host.batches.submit({ operation: held.name, items: [0] });
      await until(async () => (await host.batches.get(id)).waitingFor === "office_hours");
    },
    [Symbol.asyncDispose]: () => host.close(),
  };
}
