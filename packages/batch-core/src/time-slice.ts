import { setImmediate } from "node:timers/promises";

/** How long work may hold the event loop before it yields, in milliseconds. */
const sliceMs = 10;

let lastTurnAt = performance.now();

/** Whether the event loop has had no turn for longer than a time slice. */
export function isYieldDue(): boolean {
  return performance.now() - lastTurnAt > sliceMs;
}

/**
 * Yields to the event loop if its last turn is longer ago than a time slice. Long work calls it between steps, so that other
 * requests are served meanwhile.
 *
 * @example
 * for (const row of rows) {
 *   if (isYieldDue()) await yieldIfDue();
 *   handle(row);
 * }
 */
export async function yieldIfDue(): Promise<void> {
  if (!isYieldDue()) return;
  await setImmediate();
  lastTurnAt = performance.now();
}
