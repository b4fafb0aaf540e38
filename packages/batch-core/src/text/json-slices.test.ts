import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findStretchLimit, measureLongestStretch, repeatMeasurement } from "../testing/longest-stretch.ts";
import { readJsonInSlices } from "./json-slices.ts";
import { readJson } from "./json-text.ts";

const slice = 16 * 1024;
/** Makes a text long enough to be read in slices, by blanks that JSON allows. */
const pad = (text: string) => text + " ".repeat(Math.max(0, 2 * slice + 1 - text.length));

const megabytes = 8;
const fill = (unit: string, size = megabytes) => unit.repeat(Math.floor((size * 1024 * 1024) / unit.length));

describe("readJsonInSlices", () => {
  test("reads what readJson reads", async () => {
    const filler = fc.constantFrom("", "x".repeat(slice / 2), '\\"[{'.repeat(slice / 4));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 6 }, filler, fc.integer(), fc.constant(null), tie("list"), tie("object")),
      list: fc.array(tie("tree"), { maxLength: 4 }),
      object: fc.dictionary(fc.oneof(fc.string({ maxLength: 3 }), fc.constant("__proto__")), tie("tree"), {
        maxKeys: 4,
      }),
    }));
    await fc.assert(
      fc.asyncProperty(tree, fc.boolean(), async (value, spaced) => {
        const text = pad(JSON.stringify([value, "y".repeat(slice), value], null, spaced ? 1 : undefined));
        expect(await readJsonInSlices(text)).toEqual(readJson(text));
      }),
      { numRuns: 150 },
    );
  });

  test("rejects what readJson rejects", async () => {
    const long = JSON.stringify("z".repeat(slice));
    const texts = [
      `[${long},${long},]`,
      `[,${long},${long}]`,
      `[${long},,${long}]`,
      `[[${long},${long}] 1]`,
      `[[${long},${long}],]`,
      `[1 [${long},${long}]]`,
      `[${long},${long}}`,
      `[${long},${long}`,
      `[${long},${long}]]`,
      `[${long},${long}] 1`,
      `1 [${long},${long}]`,
      `{"a":${long},"b":[${long}],"a":1}`,
      `{"a":[${long},${long}],"b":2,"a":1}`,
      `{"a":1,"b":[${long},${long}],"c":{"x":1,"x":2}}`,
      `{"a":5[${long},${long}]}`,
      `{"a" [${long},${long}]}`,
      `{[${long},${long}]}`,
      `{"a":1,[${long},${long}]}`,
      `{"a":1 "b":[${long},${long}]}`,
      `{${long}:1,${long}:2}`,
      `[${long},${long.slice(0, -1)}`,
      `[${long},${long},01]`,
      `[${long},${long},"\t"]`,
      `${"[".repeat(65)}${long},${long}${"]".repeat(65)}`,
      `,${long}${long}`,
      `${long}${long}`,
      pad("{"),
      pad(""),
    ];
    for (const text of texts) {
      expect([text.slice(0, 40), readJson(text).fault === undefined]).toEqual([text.slice(0, 40), false]);
      expect([text.slice(0, 40), (await readJsonInSlices(text)).fault]).toEqual([
        text.slice(0, 40),
        expect.any(String),
      ]);
    }
    const nested = `${"[".repeat(64)}${long},${long}${"]".repeat(64)}`;
    expect(await readJsonInSlices(nested)).toEqual(readJson(nested));
  });

  test("rejects a list of too many members, and reads 1,400,000 distinct integers", async () => {
    const numbers = Array.from({ length: 1_400_000 }, (_, index) => index);
    expect(await readJsonInSlices(JSON.stringify(numbers))).toHaveProperty("value.length", numbers.length);
    expect(await readJsonInSlices(`{"items":[${fill("1,", 4)}1]}`)).toEqual({
      fault: "a list has more than 1500000 members",
    });
  });

  test.each([
    ["integers", `[${fill("1234567,")}1]`],
    ["one-digit integers", `{"items":[${fill("1,")}1]}`],
    ["objects", `[${fill('{"channel":"email","email":"a@b.c"},')}1]`],
    ["names", `{${Array.from({ length: 400_000 }, (_, index) => `"name_${index}":1`).join(",")}}`],
    ["empty lists", `[${fill("[],", 1)}1]`],
    ["one text", JSON.stringify({ text: fill("x") })],
    ["one text of escapes", `{"text":"${fill("\\\\")}"}`],
    ["texts of escapes", `[${fill(`${JSON.stringify("\\".repeat(500_000))},`)}1]`],
    ["texts of escaped characters", `[${fill(`"${"\\u00e9".repeat(170_000)}",`)}1]`],
    ["blanks", `[${fill(" ")}]`],
    ["commas", `[${fill(",")}]`],
    ["colons", `{"a"${fill(":")}}`],
    ["brackets", fill("[")],
    ["braces", fill('{"a":')],
    ["quotes", fill('"')],
    ["digits", `[${fill("1")}]`],
    ["lists within each other", `[${fill(`${"[".repeat(60)}${"]".repeat(60)},`, 1)}1]`],
  ])("reads megabytes of %s in short stretches", async (_, text) => {
    const measure = async () => (await measureLongestStretch(() => readJsonInSlices(text))).longestMs;
    // The memory of a list of 1,500,000 members.
    const limitMs = findStretchLimit(12);
    expect(await repeatMeasurement(limitMs, measure)).toBeLessThan(limitMs);
  });
});
