import type { ItemKey, Outcome, OutcomeWord } from "../operation/operation.ts";
import { toStorableText } from "../text/own-text.ts";
import { type Counts, noCounts } from "./batch.ts";

/** What became of an item, without the item. */
export interface ItemResult {
  outcome: OutcomeWord;
  code: string | null;
  message: string | null;
}

/** A fate that differs from the rest of its chunk. `position` is the item's place in the chunk. */
export interface OutcomeOverride extends ItemResult {
  position: number;
}

/**
 * The end of a chunk: the counts add up to its number of items, always. What most items share is said once, as `rest`;
 * only the others are written one by one.
 */
export interface ChunkResult {
  counts: Counts;
  commonOutcome: ItemResult;
  overrides: OutcomeOverride[];
  tally: Record<string, number>;
}

/** The counts and the tally of several chunks. */
export type Sums = Pick<ChunkResult, "counts" | "tally">;

export const noSums = (): Sums => ({ counts: noCounts(), tally: {} });

/** Adds a chunk to sums. */
export function addChunkResult(sums: Sums, { counts, tally }: Sums): void {
  for (const outcome of Object.keys(counts) as OutcomeWord[]) sums.counts[outcome] += counts[outcome];
  for (const [name, sum] of Object.entries(tally)) sums.tally[name] = (sums.tally[name] ?? 0) + sum;
}

const done: ItemResult = { outcome: "done", code: null, message: null };
const noResult: ItemResult = {
  outcome: "failed",
  code: "no_result",
  message: "The operation gave no answer for this item",
};

/**
 * Gives every item of a chunk exactly one outcome. An item without an answer has failed with `no_result`: an outcome is
 * never assumed; where it cannot be told whether it was worked on, `silence` says so. Two answers for one item, or an answer for an item that was not asked about, are faults of the
 * operation and are thrown.
 */
export function toChunkResult(
  keys: readonly ItemKey[],
  outcomes: readonly Outcome[],
  tally: Record<string, number> = {},
  silence: ItemResult = noResult,
): ChunkResult {
  let positions: Map<ItemKey, number> | undefined;
  const results = new Array<ItemResult>(keys.length).fill(silence);
  for (const [index, outcome] of outcomes.entries()) {
    // Most operations answer in the order in which they were asked: then nothing need be looked up.
    let position: number | undefined = index;
    if (keys[index] !== outcome.key) {
      positions ??= new Map(keys.map((key, position) => [key, position]));
      position = positions.get(outcome.key);
    }
    if (position === undefined) throw new Error(`The operation answered for ${outcome.key}, which is not in its chunk`);
    if (results[position] !== silence) throw new Error(`The operation answered twice for ${outcome.key}`);
    results[position] = outcome.outcome === "done" ? done : toItemResult(outcome);
  }
  return buildChunkResult(results, tally);
}

/** One fate for all items of a chunk: what is left to say when its operation threw. */
export function uniformChunkResult(
  count: number,
  outcome: Exclude<OutcomeWord, "done">,
  code: string,
  message: string,
): ChunkResult {
  const commonOutcome = { outcome, code, message: toStorableText(message) };
  return { counts: { ...noCounts(), [outcome]: count }, commonOutcome, overrides: [], tally: {} };
}

function toItemResult({ outcome, code, message }: Exclude<Outcome, { outcome: "done" }>): ItemResult {
  return { outcome, code, message: message === undefined ? null : toStorableText(message) };
}

function buildChunkResult(results: ItemResult[], tally: Record<string, number>): ChunkResult {
  const counts = noCounts();
  const groups = new Map<string, { result: ItemResult; size: number }>();
  let commonOutcome: { result: ItemResult; size: number } = { result: done, size: 0 };
  for (const result of results) {
    counts[result.outcome]++;
    if (result === done) {
      commonOutcome.size++;
      continue;
    }
    const name = `${result.outcome} ${result.code} ${result.message}`;
    const group = groups.get(name);
    if (group) group.size++;
    else groups.set(name, { result, size: 1 });
  }
  for (const group of groups.values()) if (group.size > commonOutcome.size) commonOutcome = group;
  const overrides: OutcomeOverride[] = [];
  results.forEach((result, position) => {
    if (!same(result, commonOutcome.result)) overrides.push({ position, ...result });
  });
  return { counts, commonOutcome: commonOutcome.result, overrides, tally };
}

function same(a: ItemResult, b: ItemResult): boolean {
  return a === b || (a.outcome === b.outcome && a.code === b.code && a.message === b.message);
}
