/** Calls that are started in one turn of the event loop. Enough of them share a commit of the database. */
const callsPerTurn = 32;

/**
 * Starts calls a few at a time. Node accepts one connection in each turn of the event loop, so a turn must stay short however many
 * calls arrive: in between, connections are accepted, `/healthz` is answered, and calls beyond the limit are turned away.
 */
export interface CallQueue {
  readonly length: number;
  add(start: () => void): void;
}

export function createCallQueue(): CallQueue {
  let waiting: (() => void)[] = [];
  let isScheduled = false;

  function run(): void {
    const started = waiting.slice(0, callsPerTurn);
    waiting = waiting.slice(callsPerTurn);
    isScheduled = waiting.length > 0;
    if (isScheduled) setImmediate(run);
    for (const start of started) start();
  }

  return {
    get length() {
      return waiting.length;
    },
    add(start) {
      waiting.push(start);
      if (isScheduled) return;
      isScheduled = true;
      setImmediate(run);
    },
  };
}
