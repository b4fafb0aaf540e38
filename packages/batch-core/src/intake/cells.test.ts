import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findSeparator, splitCells } from "./cells.ts";

describe("cells", () => {
  test("equal those of csv-parse, or are none", () => {
    const sign = fc.constantFrom("a", "b", '"', '"', ",", ";", " ", "é");
    const text = fc.string({ unit: sign, minLength: 1, maxLength: 12 }).filter((text) => text.trim() !== "");
    fc.assert(
      fc.property(text, fc.constantFrom(",", ";"), (text, delimiter) => {
        const cells = splitCells(text, delimiter, 100);
        if (cells) expect(parse(text, { delimiter, trim: true })).toEqual([cells]);
      }),
      { numRuns: 5000 },
    );
  });

  test("return as they were written", () => {
    const cells = fc.array(fc.string({ unit: fc.constantFrom("a", '"', ",", ";", " ", "\n") }), { minLength: 1 });
    fc.assert(
      fc.property(cells, (cells) => {
        const text = cells.map((cell) => ` "${cell.replaceAll('"', '""')}" `).join(",");
        expect(splitCells(text, ",", 100)).toEqual(cells);
      }),
    );
  });

  test.each(['a"b', '"a"b', '"a', '"" ""', 'x,a"b"'])("are none in %j", (text) => {
    expect(splitCells(text, ",", 100)).toBeUndefined();
  });

  test("are limited in number", () => {
    expect(splitCells("a,b,c", ",", 2)).toEqual(["a", "b"]);
    expect(splitCells('"a",b,c', ",", 2)).toEqual(["a", "b"]);
  });

  test.each([
    ["id,name", ","],
    ["id;name", ";"],
    ["id\tname", "\t"],
    ["id", ","],
    ['id;"last, first, middle"', ";"],
    ['"a;b;c",d', ","],
    ["id;first, last;more", ";"],
  ])("of %j are separated by %j", (header, separator) => expect(findSeparator(header)).toBe(separator));
});
