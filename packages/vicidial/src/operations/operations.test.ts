import { DeferUntil, silentLog, type Work } from "@reinstate/batch-core";
import { expect, test } from "vitest";
import { MoveRefused, RetryableMove, TablesDamaged } from "../leads/move-errors.ts";
import type { LeadStore } from "../store/lead-store.ts";
import { createOperations } from "./operations.ts";

const office = {
  isAllowed: async () => true,
  allowedFrom: (_verb: string, now: number) => now,
  hours: () => undefined,
};

/** What becomes of a chunk whose move throws. */
async function apply(thrown: Error, attempt: number, interrupted = false) {
  const store = { effects: "elsewhere", move: () => Promise.reject(thrown) } as unknown as LeadStore;
  const [operation] = createOperations(store, office, () => 1000);
  const work = {
    batchId: 1,
    seq: 0,
    generation: 0,
    account: "",
    params: { insert_leads: true, delete_leads: true },
    ...{
      items: [1, 2],
      attempt,
      interrupted,
      transaction: undefined,
      tally: {},
      signal: new AbortController().signal,
      log: silentLog,
    },
  } as unknown as Work<unknown, unknown>;
  return operation?.apply(work);
}

test("fails leads with the reason if nothing was written", async () => {
  for (const thrown of [new MoveRefused("a trigger"), new TablesDamaged("a trigger", false)]) {
    expect(await apply(thrown, 1)).toEqual(
      [1, 2].map((key) => ({ key, outcome: "failed", code: "refused", message: "a trigger" })),
    );
  }
});

test("leaves leads open that an earlier attempt may have moved", async () => {
  await expect(apply(new MoveRefused("a trigger"), 2, true)).rejects.toThrow("a trigger");
  expect(await apply(new MoveRefused("a trigger"), 2)).toHaveLength(2);
});

test("defers a running batch until a damaged table is repaired", async () => {
  for (const [written, attempt] of [
    [true, 1],
    [false, 2],
  ] as const) {
    const error = await apply(new TablesDamaged("damaged", written), attempt)?.catch((error: unknown) => error);
    expect(DeferUntil.is(error) && error.until).toBe(11_000);
  }
});

test("marks an error as retryable if nothing was written", async () => {
  await expect(apply(new RetryableMove("busy"), 1)).rejects.toMatchObject({ message: "busy", retryable: true });
});
