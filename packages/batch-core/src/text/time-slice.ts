import { setImmediate } from "node:timers/promises";

/** Items that are handled before work yields. A number and not a time, so that a seeded simulation repeats exactly. */
export const itemsPerSlice = 2000;

/** Maximum time for which a series of statements blocks the event loop, in milliseconds. */
const sliceMs = 10;

let lastTurnAt = performance.now();

/**
 * Yields to the event loop if its last turn is longer ago than a time slice. A driver that answers without a turn calls it
 * before each statement, so that other requests are served meanwhile.
 */
export async function yieldIfDue(): Promise<void> {
  if (performance.now() - lastTurnAt <= sliceMs) return;
  await setImmediate();
  lastTurnAt = performance.now();
}
