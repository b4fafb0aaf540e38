import { deflateRawSync, inflateRawSync } from "node:zlib";

/** The encoding of a chunk's items: sorted integers as delta-varint, everything else as JSON lines, deflated or plain. */
export type Codec = "integers" | "json" | "plain";

/** Maximum length of plain text in characters. Performance: deflating short text takes long and saves almost nothing. */
const maxPlainCharacters = 300;

export interface Packed {
  codec: Codec;
  bytes: Uint8Array;
  count: number;
  /** The smallest and the largest integer among the items; absent if there is none. */
  range?: IntegerRange | undefined;
}

/** The smallest and the largest of some integers. */
export interface IntegerRange {
  first: number;
  last: number;
}

/** Packs the items of one chunk. Integers are sorted in ascending order unless `codec` is `json`; other items keep their order. */
export function pack(items: readonly unknown[], codec?: "json"): Packed {
  if (codec !== "json" && items.length > 0 && items.every((item) => Number.isSafeInteger(item))) {
    return packSorted(Float64Array.from(items as number[]).sort());
  }
  return { ...packLines(items.map((item) => JSON.stringify(item))), range: findRange(items) };
}

function findRange(items: readonly unknown[]): IntegerRange | undefined {
  let range: IntegerRange | undefined;
  for (const item of items)
    if (Number.isSafeInteger(item)) range = widenRange(range, { first: item as number, last: item as number });
  return range;
}

/** Returns the range that contains two others. */
export function widenRange(one: IntegerRange | undefined, other: IntegerRange | undefined): IntegerRange | undefined {
  if (!one || !other) return one ?? other;
  return { first: Math.min(one.first, other.first), last: Math.max(one.last, other.last) };
}

/** Packs items that are already JSON, one line each. */
export function packLines(lines: readonly string[]): Packed {
  const text = lines.join("\n");
  if (text.length <= maxPlainCharacters) return { codec: "plain", bytes: Buffer.from(text), count: lines.length };
  return { codec: "json", bytes: deflateRawSync(text, { level: 6 }), count: lines.length };
}

/** Packs at least one safe integer, in ascending order. */
export function packSorted(sorted: Float64Array): Packed {
  // A safe integer needs at most 8 groups of 7 bits. The first one has a byte more, for its sign.
  const buffer = new Uint8Array(sorted.length * 8 + 2);
  const first = sorted[0] as number;
  let end = writeVarint(buffer, 0, first < 0 ? 1 : 0);
  end = writeVarint(buffer, end, Math.abs(first));
  for (let index = 1; index < sorted.length; index++) {
    end = writeStep(buffer, end, sorted[index - 1] as number, sorted[index] as number);
  }
  return {
    codec: "integers",
    bytes: buffer.slice(0, end),
    count: sorted.length,
    range: { first: sorted[0] as number, last: sorted[sorted.length - 1] as number },
  };
}

/** Returns the items of a packed chunk. */
export function unpack(codec: Codec, bytes: Uint8Array): unknown[] {
  if (codec !== "integers") {
    const lines = (codec === "json" ? inflateRawSync(bytes) : Buffer.from(bytes)).toString("utf8");
    return lines === "" ? [] : lines.split("\n").map((line) => JSON.parse(line) as unknown);
  }
  const items: number[] = [];
  const next = readPacked(bytes);
  for (let item = next(); !Number.isNaN(item); item = next()) items.push(item);
  return items;
}

/** Returns a function that reads packed integers one by one. It returns NaN at the end. */
export function readPacked(bytes: Uint8Array): () => number {
  let position = 0;
  let current = Number.NaN;
  // Each group is added to the previous number, which stays exact even if the step alone is no safe integer.
  const varint = (from: number) => {
    let value = from;
    let factor = 1;
    for (;;) {
      const byte = bytes[position++];
      if (byte === undefined) throw new Error("A packed chunk ends in the middle of a number");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  };
  return () => {
    if (position === 0) {
      const sign = varint(0) === 1 ? -1 : 1;
      current = sign * varint(0);
    } else current = position < bytes.length ? varint(current) : Number.NaN;
    return current;
  };
}

function writeStep(buffer: Uint8Array, at: number, from: number, to: number): number {
  if (to - from <= Number.MAX_SAFE_INTEGER) return writeVarint(buffer, at, to - from);
  // A step over more than half of the safe integers is not exact itself. Without its lowest group it is.
  const lowest = ((to % 128) - (from % 128) + 256) % 128;
  buffer[at++] = lowest + 128;
  return writeVarint(buffer, at, (to - lowest - from) / 128);
}

// Arithmetic, not shifts: shifts stop at 32 bits.
function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    buffer[at++] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  buffer[at++] = rest;
  return at;
}
