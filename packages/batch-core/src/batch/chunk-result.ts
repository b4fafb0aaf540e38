import type { ItemKey, Outcome, OutcomeWord } from "../operation/operation.ts";
import { toStorableText } from "../text/own-text.ts";
import { type Counts, noCounts } from "./batch.ts";
import { addCodes, type CodeCounts, countCodes } from "./codes.ts";
import type { ItemResult, OutcomeOverride } from "./item-result.ts";

export type { ItemResult, OutcomeOverride } from "./item-result.ts";

/**
 * The result of a chunk. The outcome that most items share is stored once, as `commonOutcome`; `overrides` holds the rest. Invariant:
 * the counts add up to the number of items.
 */
export interface ChunkResult {
  counts: Counts;
  commonOutcome: ItemResult;
  overrides: OutcomeOverride[];
  tally: Record<string, number>;
}

/** The summed counts and tallies of chunks. */
export type Sums = Pick<ChunkResult, "counts" | "tally"> & { codes: CodeCounts };

export const noSums = (): Sums => ({ counts: noCounts(), tally: {}, codes: new Map() });

/** Adds the result of a chunk to sums, in place. */
export function addChunkResult(sums: Sums, result: ChunkResult): void {
  const { counts, tally } = result;
  addCodes(sums.codes, countCodes(result).values());
  for (const outcome of Object.keys(counts) as OutcomeWord[]) sums.counts[outcome] += counts[outcome];
  for (const [name, sum] of Object.entries(tally)) sums.tally[name] = (sums.tally[name] ?? 0) + sum;
}

const done: ItemResult = { outcome: "done", code: null, message: null };
const noResult: ItemResult = {
  outcome: "failed",
  code: "no_result",
  message: "The operation returned no outcome for this item",
};

/**
 * Builds the result of a chunk with exactly one outcome for every item. An item without an outcome gets `missing`: by default
 * `failed` with `no_result`. An outcome is never assumed.
 *
 * @throws Error if the operation returned two outcomes for one item, or an outcome for an item that is not in the chunk
 */
export function toChunkResult(
  keys: readonly ItemKey[],
  outcomes: readonly Outcome[],
  tally: Record<string, number> = {},
  missing: ItemResult = noResult,
): ChunkResult {
  let positions: Map<ItemKey, number> | undefined;
  const results = new Array<ItemResult>(keys.length).fill(missing);
  for (const [index, outcome] of outcomes.entries()) {
    // Performance: most operations return outcomes in the order of the items, which needs no lookup.
    let position: number | undefined = index;
    if (keys[index] !== outcome.key) {
      positions ??= new Map(keys.map((key, position) => [key, position]));
      position = positions.get(outcome.key);
    }
    if (position === undefined) throw new Error(`Operation returned an outcome for ${outcome.key}, not in its chunk`);
    if (results[position] !== missing) throw new Error(`Operation returned two outcomes for item ${outcome.key}`);
    results[position] = outcome.outcome === "done" ? done : toItemResult(outcome);
  }
  return buildChunkResult(results, tally);
}

/** Builds a result with one outcome for all items of a chunk, for example after its operation threw. */
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
