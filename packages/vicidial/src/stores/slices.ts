/** How many leads go under one lock, learnt from how long the last ones took. */
export interface Slices {
  /** Leads to take next of those that are left, for a lock of so many milliseconds. */
  size(lockMs: number, left: number): number;
  /** So many leads were under the lock for so long. */
  took(leads: number, ms: number): void;
}

/** Leads under the first lock: nothing is known yet of how fast the database is. */
const first = 50;
/** A slice grows by this factor at most. */
const growth = 2;
/** So much larger may a slice be where it is the last then: one more lock would be worse. */
const stretch = 1.2;
/** So many slices are remembered: what is in the server's memory goes fast, and what comes next may not be. */
const remembered = 4;

/** Slices of `most` leads at most. */
export function createSlices(most: number): Slices {
  let grown = first;
  let asked = { size: 0, lockMs: 0 };
  const msPerLead: number[] = [];
  return {
    size(lockMs, left) {
      const fitting = msPerLead.length === 0 ? first : Math.floor(lockMs / Math.max(...msPerLead));
      const size = Math.max(1, Math.min(fitting, grown, most));
      asked = { size, lockMs };
      return left <= Math.min(size * stretch, most) ? left : size;
    },
    took(leads, ms) {
      // What a few leads cost says little about many, unless it is too much.
      if (leads < asked.size / 2 && ms <= asked.lockMs) return;
      msPerLead.push(Math.max(ms, 1) / leads);
      if (msPerLead.length > remembered) msPerLead.shift();
      grown = Math.ceil(leads * growth);
    },
  };
}
