import type { Clock } from "../clock.ts";

/** A clock that a test advances. */
export interface TestClock extends Clock {
  /** Advances the clock by milliseconds and wakes the sleeps that have ended. */
  advance(ms: number): void;
}

/** Creates a clock that moves only when a test moves it. `start`: milliseconds since 1970 UTC. */
export function createTestClock(start = Date.UTC(2026, 0, 5, 12)): TestClock {
  let now = start;
  const sleepers = new Set<{ at: number; wake(): void }>();
  return {
    now: () => now,
    sleep(ms, signal) {
      return new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        if (ms <= 0) return void setImmediate(resolve);
        const sleeper = {
          at: now + ms,
          wake() {
            sleepers.delete(sleeper);
            signal?.removeEventListener("abort", sleeper.wake);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", sleeper.wake);
      });
    },
    advance(ms) {
      now += ms;
      for (const sleeper of [...sleepers]) if (sleeper.at <= now) sleeper.wake();
    },
  };
}
