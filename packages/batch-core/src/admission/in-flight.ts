import { ReinstateError } from "../errors/errors.ts";

/** Counts the calls in progress, of this process and of each key. */
export interface InFlight {
  readonly count: number;
  isFull(waiting?: number): boolean;
  isKeyFull(id: string, waiting?: number): boolean;
  /** Returns false if there is no place. */
  take(): boolean;
  /** Takes a place again for a call that was let in before, also if there is none. */
  retake(): void;
  release(): void;
  /** @throws ReinstateError `too_many_requests` */
  takeOfKey(id: string): void;
  releaseOfKey(id: string): void;
}

export function createInFlight({
  maxInFlight,
  maxInFlightPerKey,
}: {
  maxInFlight: number;
  maxInFlightPerKey: number;
}): InFlight {
  const ofKeys = new Map<string, number>();
  let count = 0;
  const isKeyFull = (id: string, waiting = 0) => (ofKeys.get(id) ?? 0) + waiting >= maxInFlightPerKey;
  return {
    isKeyFull,
    get count() {
      return count;
    },
    isFull: (waiting = 0) => count + waiting >= maxInFlight,
    take() {
      if (count >= maxInFlight) return false;
      count++;
      return true;
    },
    retake() {
      count++;
    },
    release() {
      count--;
    },
    takeOfKey(id) {
      if (isKeyFull(id)) {
        const message = `More than ${maxInFlightPerKey} calls of this key are in progress; try again in a second`;
        throw new ReinstateError("too_many_requests", message, { retryAfterSeconds: 1 });
      }
      ofKeys.set(id, (ofKeys.get(id) ?? 0) + 1);
    },
    releaseOfKey(id) {
      const ofKey = ofKeys.get(id) ?? 0;
      if (ofKey > 1) ofKeys.set(id, ofKey - 1);
      else ofKeys.delete(id);
    },
  };
}
