import { setImmediate } from "node:timers/promises";

/** Time after which a job lets the event loop run: far below what a caller of another request notices. */
const turnMs = 5;

/**
 * Returns a function that a long job calls between its steps: it returns a promise to await when the job has kept the event
 * loop for five milliseconds, and nothing otherwise.
 */
export function createTurns(): () => Promise<void> | undefined {
  let began = performance.now();
  return () => {
    if (performance.now() - began < turnMs) return undefined;
    return setImmediate().then(() => {
      began = performance.now();
    });
  };
}
