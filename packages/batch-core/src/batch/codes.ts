import { cutText } from "../errors/cut-text.ts";
import type { OutcomeWord } from "../operation/operation.ts";
import type { Counts } from "./batch.ts";
import type { ItemResult } from "./item-result.ts";

/** The number of items with one outcome and code. */
export interface CodeCount {
  outcome: OutcomeWord;
  code: string;
  count: number;
  /** The message of one of these items. */
  message: string | null;
}

/** Counts by outcome and code. */
export type CodeCounts = Map<string, CodeCount>;

const noCodes: CodeCounts = new Map();

/** Bytes of a sample message at most. */
const sampleBytes = 300;

/** Adds `count` items with one result. A result without a code is not counted. */
export function addResult(into: CodeCounts, { outcome, code, message }: ItemResult, count: number): void {
  if (code === null) return;
  const name = `${outcome} ${code}`;
  const known = into.get(name);
  if (known) known.count += count;
  else into.set(name, { outcome, code, count, message: message === null ? null : cutText(message, sampleBytes) });
}

/** Adds counts to others, in place. */
export function addCodes(into: CodeCounts, codes: Iterable<CodeCount>): void {
  for (const each of codes) addResult(into, each, each.count);
}

/** Counts the items of a chunk by outcome and code. Items without a code, as most that are done, are left out. */
export function countCodes({
  counts,
  commonOutcome,
  overrides,
}: {
  counts: Counts;
  commonOutcome: ItemResult;
  overrides: readonly ItemResult[];
}): CodeCounts {
  // Performance: most chunks are done throughout.
  if (overrides.length === 0 && commonOutcome.code === null) return noCodes;
  const codes: CodeCounts = new Map();
  const total = counts.done + counts.skipped + counts.failed + counts.unknown;
  addResult(codes, commonOutcome, total - overrides.length);
  for (const override of overrides) addResult(codes, override, 1);
  return codes;
}

/** Returns counts less those of items that have left, without the codes that no item has any more. */
export function subtractCodes(from: Iterable<CodeCount>, left: CodeCounts): CodeCount[] {
  return [...from].flatMap((each) => {
    const count = each.count - (left.get(`${each.outcome} ${each.code}`)?.count ?? 0);
    return count > 0 ? [{ ...each, count }] : [];
  });
}

/** Writes counts as they are stored; null for none. */
export function writeCodes(codes: CodeCounts | readonly CodeCount[]): string | null {
  const list = Array.isArray(codes) ? codes : (codes as CodeCounts);
  if (("size" in list ? list.size : list.length) === 0) return null;
  return JSON.stringify(
    Array.from(list.values(), ({ outcome, code, count, message }) => [outcome, code, count, message]),
  );
}

/** Reads stored counts. */
export function readCodes(text: string | null): CodeCount[] {
  const rows = text === null ? [] : (JSON.parse(text) as [OutcomeWord, string, number, string | null][]);
  return rows.map(([outcome, code, count, message]) => ({ outcome, code, count, message }));
}
