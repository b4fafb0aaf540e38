import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cutList, cutText, listNames } from "./cut-text.ts";

const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value)) - 2;

describe("cutText", () => {
  test("keeps a text that fits and cuts every other one", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), fc.integer({ min: 10, max: 300 }), (text, limit) => {
        const cut = cutText(text, limit);
        if (bytes(text) <= limit) expect(cut).toBe(text);
        else {
          expect(bytes(cut)).toBeLessThanOrEqual(limit);
          expect(cut.endsWith("…")).toBe(true);
          expect(text.toWellFormed().startsWith(cut.slice(0, -1))).toBe(true);
        }
      }),
    );
  });

  test.each(["\0", "ä", "😀", "\ud800", '"'])("takes no long time over megabytes of %j", (letter) => {
    expect(bytes(cutText(letter.repeat(4_000_000), 1000))).toBeLessThanOrEqual(1000);
  });
});

test("cutList keeps the values that fit from the beginning", () => {
  expect(cutList([1, "two", [3]], 100)).toEqual([1, "two", [3]]);
  expect(cutList(["a".repeat(10), "b".repeat(10), "c"], 20)).toEqual(["a".repeat(10)]);
  expect(cutList(["a".repeat(100)], 20)).toEqual([]);
});

test("listNames names ten and counts the rest", () => {
  expect(listNames(["a", 'b"'])).toBe('"a", "b\\""');
  expect(listNames(Array.from({ length: 400_000 }, (_, index) => `k${index}`))).toMatch(/"k9" and 399990 more$/);
});
