import type { Clock } from "../../clock.ts";

/** A process that can die. None of its promises continues afterwards. */
export interface Owner {
  readonly name: string;
  dead: boolean;
  /** Suspended until this time, like a blocked event loop. */
  frozenUntil?: number;
}

interface Waiting {
  owner: Owner;
  go(): void;
}

/** Creates a generator of numbers from 0 to 1 that depends only on its seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Decides which task continues. All external waits are waits at a gate or on the clock. The seed chooses one task at a time, and time
 * jumps to the next timer when no other task can continue.
 */
export class Scheduler {
  now = Date.UTC(2026, 0, 5, 12);
  steps = 0;
  /** A digest of all choices; equal for two runs of one seed. */
  trace = 0;
  /** Called before an owner continues; may kill or freeze it. */
  strike: (owner: Owner) => void = () => {};
  readonly random: () => number;
  #ready: Waiting[] = [];
  #timers: (Waiting & { at: number })[] = [];

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  /** Returns a whole number below `limit`. */
  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  /** Lets other tasks run first. The owner may die here. */
  gate(owner: Owner): Promise<void> {
    return new Promise((go) => {
      if (!owner.dead) this.#ready.push({ owner, go });
    });
  }

  clock(owner: Owner): Clock {
    return {
      now: () => this.now,
      sleep: (ms, signal) => {
        if (ms <= 0) return this.gate(owner);
        return new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const timer = { owner, go: resolve, at: this.now + ms };
          this.#timers.push(timer);
          signal?.addEventListener("abort", () => {
            const index = this.#timers.indexOf(timer);
            if (index >= 0) this.#timers.splice(index, 1);
            resolve();
          });
        });
      },
    };
  }

  kill(owner: Owner): void {
    owner.dead = true;
    this.#ready = this.#ready.filter((waiting) => waiting.owner !== owner);
    this.#timers = this.#timers.filter((waiting) => waiting.owner !== owner);
  }

  /** Runs one task until it waits again. Returns false if no task waits. */
  async step(): Promise<boolean> {
    // The previous task has run until its next gate, because nothing here waits for the real world.
    await new Promise((resolve) => setImmediate(resolve));
    const able = this.#able();
    if (able.length === 0) return this.#nextTime();
    const chosen = able[this.below(able.length)] as Waiting;
    this.steps++;
    this.trace = (Math.imul(this.trace, 31) + chosen.owner.name.charCodeAt(0) + able.length * 7 + this.now) | 0;
    this.strike(chosen.owner);
    if (chosen.owner.dead || this.#isFrozen(chosen.owner)) return true;
    this.#ready.splice(this.#ready.indexOf(chosen), 1);
    chosen.go();
    return true;
  }

  #isFrozen({ frozenUntil }: Owner): boolean {
    return frozenUntil !== undefined && frozenUntil > this.now;
  }

  #able(): Waiting[] {
    return this.#ready.filter(({ owner }) => !this.#isFrozen(owner));
  }

  #nextTime(): boolean {
    const thaws = this.#ready.map(({ owner }) => owner.frozenUntil ?? this.now);
    const times = [...this.#timers.map(({ at }) => at), ...thaws];
    if (times.length === 0) return false;
    this.now = Math.max(this.now, Math.ceil(Math.min(...times)));
    const due = (timer: { at: number }) => timer.at <= this.now;
    this.#ready.push(...this.#timers.filter(due));
    this.#timers = this.#timers.filter((timer) => !due(timer));
    return true;
  }
}
