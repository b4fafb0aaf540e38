import { setImmediate } from "node:timers/promises";
import { pack } from "../batch/chunk-codec.ts";
import { toChunkResult } from "../batch/chunk-result.ts";
import type { NewChunk } from "../ledger/ledger.ts";
import type { AnyOperation, ItemKey } from "../operation/operation.ts";
import { itemsPerSlice } from "../text/time-slice.ts";
import type { Refused } from "./request.ts";
import { dropRepeated, sortedAtOnce, sortIntegers } from "./sort-integers.ts";

/** Returns the first item of each key, in ascending order if the items are integers, so that chunks are ranges. */
export async function listDistinct(operation: AnyOperation, items: unknown[]): Promise<unknown[]> {
  // Performance: a set blocks the event loop when it grows beyond some hundred thousand keys.
  if (items.length > sortedAtOnce && items.every(Number.isSafeInteger) && operation.key(1) === 1) {
    return dropRepeated(await sortIntegers(items as number[]));
  }
  const seen = new Set<ItemKey>();
  const distinct: unknown[] = [];
  let integers = true;
  for (const [index, item] of items.entries()) {
    if (index % itemsPerSlice === itemsPerSlice - 1) await setImmediate();
    const key = operation.key(item);
    if (seen.has(key)) continue;
    seen.add(key);
    distinct.push(item);
    integers &&= typeof item === "number";
  }
  return integers ? dropRepeated(await sortIntegers(distinct as number[])) : distinct;
}

/** Maximum length of a stored rejected item, in characters of JSON. */
const maxRejectedCharacters = 10_000;

/** Returns a rejected item as it is stored. Of a very long item, only the beginning of its JSON is stored. */
function toBounded(item: unknown): unknown {
  if (typeof item === "number") return item;
  const json = JSON.stringify(item) ?? "null";
  return json.length <= maxRejectedCharacters ? item : `${json.slice(0, maxRejectedCharacters)}…`.toWellFormed();
}

/** Packs items into chunks. Rejected items have their outcome from the start and chunks of their own. */
export async function* packChunks(
  { chunkSize }: AnyOperation,
  items: unknown[],
  refused: readonly Refused[],
): AsyncGenerator<NewChunk, void, undefined> {
  const perSlice = Math.ceil(itemsPerSlice / chunkSize);
  let made = 0;
  for (let start = 0; start < items.length; start += chunkSize) {
    if (++made % perSlice === 0) await setImmediate();
    yield { packed: pack(items.slice(start, start + chunkSize)) };
  }
  for (let start = 0; start < refused.length; start += chunkSize) {
    if (++made % perSlice === 0) await setImmediate();
    const slice = refused.slice(start, start + chunkSize);
    const keys = slice.map((_, index) => index);
    const outcomes = slice.map(({ code, message }, key) => ({ key, outcome: "failed" as const, code, message }));
    // Not packed as integers, because that sorts them, and the outcomes are stored by position.
    const packed = pack(
      slice.map(({ item }) => toBounded(item)),
      "json",
    );
    yield { packed, refused: toChunkResult(keys, outcomes) };
  }
}
