import type { ItemKey, Outcome, OutcomeWord } from "../operation/operation.ts";
import { toStorableText } from "../text/own-text.ts";
import { type Counts, noCounts } from "./batch.ts";

/** What became of an item, without the item. */
export interface Fate {
  outcome: OutcomeWord;
  code: string | null;
  message: string | null;
}

/** A fate that differs from the rest of its chunk. `position` is the item's place in the chunk. */
export interface Exception extends Fate {
  position: number;
}

/**
 * The end of a chunk: the counts add up to its number of items, always. What most items share is said once, as `rest`;
 * only the others are written one by one.
 */
export interface Settlement {
  counts: Counts;
  rest: Fate;
  exceptions: Exception[];
  tally: Record<string, number>;
}

/** The counts and the tally of several chunks. */
export type Sums = Pick<Settlement, "counts" | "tally">;

export const noSums = (): Sums => ({ counts: noCounts(), tally: {} });

/** Adds a chunk to sums. */
export function addSettlement(sums: Sums, { counts, tally }: Sums): void {
  for (const outcome of Object.keys(counts) as OutcomeWord[]) sums.counts[outcome] += counts[outcome];
  for (const [name, sum] of Object.entries(tally)) sums.tally[name] = (sums.tally[name] ?? 0) + sum;
}

const done: Fate = { outcome: "done", code: null, message: null };
const silent: Fate = { outcome: "failed", code: "no_answer", message: "The operation gave no answer for this item" };

/**
 * Gives every item of a chunk exactly one outcome. An item without an answer has failed with `no_answer`: an outcome is
 * never assumed; where it cannot be told whether it was worked on, `silence` says so. Two answers for one item, or an answer for an item that was not asked about, are faults of the
 * operation and are thrown.
 */
export function settle(
  keys: readonly ItemKey[],
  outcomes: readonly Outcome[],
  tally: Record<string, number> = {},
  silence: Fate = silent,
): Settlement {
  let positions: Map<ItemKey, number> | undefined;
  const fates = new Array<Fate>(keys.length).fill(silence);
  for (const [index, outcome] of outcomes.entries()) {
    // Most operations answer in the order in which they were asked: then nothing need be looked up.
    let position: number | undefined = index;
    if (keys[index] !== outcome.key) {
      positions ??= new Map(keys.map((key, position) => [key, position]));
      position = positions.get(outcome.key);
    }
    if (position === undefined) throw new Error(`The operation answered for ${outcome.key}, which is not in its chunk`);
    if (fates[position] !== silence) throw new Error(`The operation answered twice for ${outcome.key}`);
    fates[position] = outcome.outcome === "done" ? done : fateOf(outcome);
  }
  return settlementOf(fates, tally);
}

/** One fate for all items of a chunk: what is left to say when its operation threw. */
export function settleAll(
  count: number,
  outcome: Exclude<OutcomeWord, "done">,
  code: string,
  message: string,
): Settlement {
  const rest = { outcome, code, message: toStorableText(message) };
  return { counts: { ...noCounts(), [outcome]: count }, rest, exceptions: [], tally: {} };
}

function fateOf({ outcome, code, message }: Exclude<Outcome, { outcome: "done" }>): Fate {
  return { outcome, code, message: message === undefined ? null : toStorableText(message) };
}

function settlementOf(fates: Fate[], tally: Record<string, number>): Settlement {
  const counts = noCounts();
  const groups = new Map<string, { fate: Fate; size: number }>();
  let rest: { fate: Fate; size: number } = { fate: done, size: 0 };
  for (const fate of fates) {
    counts[fate.outcome]++;
    if (fate === done) {
      rest.size++;
      continue;
    }
    const name = `${fate.outcome} ${fate.code} ${fate.message}`;
    const group = groups.get(name);
    if (group) group.size++;
    else groups.set(name, { fate, size: 1 });
  }
  for (const group of groups.values()) if (group.size > rest.size) rest = group;
  const exceptions: Exception[] = [];
  fates.forEach((fate, position) => {
    if (!same(fate, rest.fate)) exceptions.push({ position, ...fate });
  });
  return { counts, rest: rest.fate, exceptions, tally };
}

function same(a: Fate, b: Fate): boolean {
  return a === b || (a.outcome === b.outcome && a.code === b.code && a.message === b.message);
}
