import { expect, test } from "vitest";
import { shownCharacters, showValue } from "./show-value.ts";

test.each([
  ["x", '"x"'],
  ['a "b"', '"a \\"b\\""'],
  ["1\n2\t3", '"1\\n2\\t3"'],
  ["a\u0000\u001b[2Jb", '"a\\u0000\\u001b[2Jb"'],
  ["user\u202eexe\u200f\ufeff\u0085", '"user⟨U+202E⟩exe⟨U+200F⟩⟨U+FEFF⟩⟨U+0085⟩"'],
  ["\ud800", '"\\ud800"'],
  [-2, "-2"],
  [null, "null"],
  [undefined, "undefined"],
  [{ db_id: "\u202e" }, '{"db_id":"⟨U+202E⟩"}'],
])("shows %j as %s", (value, expected) => {
  expect(showValue(value)).toBe(expected);
});

test("cuts a long value, and no character in it", () => {
  expect(showValue("x".repeat(shownCharacters))).toBe(`"${"x".repeat(shownCharacters)}"`);
  expect(showValue("x".repeat(1_000_000))).toBe(`"${"x".repeat(shownCharacters)}…"`);
  expect(showValue(`${"x".repeat(shownCharacters - 1)}😀😀`)).toBe(`"${"x".repeat(shownCharacters - 1)}…"`);
  expect(showValue(Array(1000).fill(1))).toHaveLength(shownCharacters + 1);
});
