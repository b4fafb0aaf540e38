import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { integerText, parseInteger } from "./integer-text.ts";

describe("integers read from text", () => {
  test.each([
    ["0", 0],
    ["123", 123],
    [" 123\t", 123],
    ["007", 7],
    ["-5", -5],
    ["123.0", 123],
    ["1e+05", 100_000],
    ["12E+03", 12_000],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ])("accepts %j", (text, integer) => expect(parseInteger(text)).toEqual({ integer }));

  test.each([
    ...[
      "1.23E+02",
      "1.000",
      "1,000",
      "1.000.000",
      "1 000",
      "1\u00a0000",
      "1'000",
      "123.00",
      "123.",
      ".5",
      "1.5",
      "+5",
      "-0",
    ],
    ...["1e3", "1e05", "1.0e+05", "1e-05", "1e+5", "１２３", "٣٤", "−5", "12-13", "1_000", "123,0"],
  ])("rejects %j as a spreadsheet number", (text) => {
    const shown = JSON.stringify(text);
    const hint =
      text === "12-13"
        ? "is not an integer; write it with the digits 0 to 9 alone"
        : "looks like a spreadsheet number; format the column as text";
    expect(parseInteger(text)).toEqual({ fault: `${shown} ${hint}` });
  });

  test.each(["", " ", "a", "0x10", "12a", "1 a", "NaN", "Infinity", "true", "#N/A", "1\u200b", "12%", "$5", `"5"`])(
    "rejects %j as no integer",
    (text) => expect(parseInteger(text).fault).toMatch(/is not an integer; write it with the digits 0 to 9 alone$/),
  );

  test.each(["9007199254740992", "9007199254740993", "1e+16", "12345678901234567890", "-9007199254740992"])(
    "rejects %j as too large",
    (text) => expect(parseInteger(text).fault).toMatch(/is beyond 9007199254740991, the largest exact integer$/),
  );

  test("never changes a number silently", () => {
    const sign = fc.constantFrom(..."0123456789.,'eE+- \u00a0٣１x_");
    fc.assert(
      fc.property(fc.string({ unit: sign, maxLength: 12 }), (text) => {
        const { integer } = parseInteger(text);
        if (integer === undefined) return;
        const plain = /^(-?\d+)(?:\.0|e\+(\d\d))?$/i.exec(text.trim());
        expect(BigInt(integer)).toBe(BigInt(plain?.[1] as string) * 10n ** BigInt(plain?.[2] ?? 0));
      }),
      { numRuns: 2000 },
    );
  });

  test("is a schema for queries", () => {
    expect(integerText.parse("5")).toBe(5);
    expect(integerText.safeParse("0x10").error?.issues[0]?.message).toMatch(/^"0x10" is not an integer/);
  });
});
