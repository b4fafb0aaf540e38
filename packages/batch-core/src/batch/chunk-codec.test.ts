import fc from "fast-check";
import { expect, test } from "vitest";
import { pack, unpack } from "./chunk-codec.ts";

const roundTrip = (items: unknown[]) => {
  const { codec, bytes } = pack(items);
  return unpack(codec, bytes);
};

test("returns integers in ascending order", () => {
  const integer = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.nat(1000));
  fc.assert(
    fc.property(fc.uniqueArray(integer, { minLength: 1, maxLength: 600 }), (items) => {
      expect(roundTrip(items)).toEqual([...items].sort((a, b) => a - b));
    }),
  );
});

test("packs the smallest and largest safe integers", () => {
  const items = [Number.MIN_SAFE_INTEGER, -1, 0, 1, Number.MAX_SAFE_INTEGER];
  expect(roundTrip(items)).toEqual(items);
});

test("packs steps exactly that are no safe integers", () => {
  const negative = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: -1 });
  fc.assert(
    fc.property(negative, fc.maxSafeNat(), (from, to) => {
      expect(roundTrip([from, to])).toEqual([from, to]);
    }),
    {
      examples: [
        [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
        [-4704752457967994, 4322499674052533],
      ],
      numRuns: 1000,
    },
  );
});

test("returns other items in their order", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 50 }), (items) => {
      const expected = JSON.parse(JSON.stringify(items)) as unknown[];
      const { codec, bytes } = pack(items, "json");
      expect(unpack(codec, bytes)).toEqual(expected);
    }),
  );
});

test("packs dense ids into about one byte each", () => {
  const { bytes, count } = pack(Array.from({ length: 500 }, (_, index) => 10_000_000 + index * 2));
  expect(bytes.byteLength).toBeLessThan(510);
  expect(count).toBe(500);
});

test("stores short items plain and deflates longer ones", () => {
  // With the JSON quotes: the longest plain text, and the shortest that is deflated.
  for (const [length, codec] of [
    [298, "plain"],
    [299, "json"],
  ] as const) {
    const items = ["é".repeat(length)];
    const packed = pack(items);
    expect(packed.codec).toBe(codec);
    expect(unpack(packed.codec, packed.bytes)).toEqual(items);
  }
});

test("rejects a truncated chunk", () => {
  const { bytes } = pack([1, 100_000]);
  expect(() => unpack("integers", bytes.slice(0, -1))).toThrow(/middle of a number/);
});
