import { describe, expect, test } from "vitest";
import { findLongFunctions, maxFactoryLines, maxOwnLines } from "./function-length.ts";

const body = (lines: number) => Array.from({ length: lines }, (_, index) => `  run(${index});`).join("\n");
const makeFunction = (name: string, lines: number) => `function ${name}() {\n${body(lines - 2)}\n}`;

describe("findLongFunctions", () => {
  test("accepts a function of the maximum length", () => {
    expect(findLongFunctions("a.ts", makeFunction("run", maxOwnLines))).toEqual([]);
  });

  test("names a function that is longer", () => {
    expect(findLongFunctions("a.ts", `\n${makeFunction("run", maxOwnLines + 1)}`)).toEqual([
      `a.ts:2: run has ${maxOwnLines + 1} lines; split it (at most ${maxOwnLines})`,
    ]);
  });

  test.each([
    ["const run = () => {", "}"],
    ["const parts = { run() {", "} }"],
    ["class Runner { run() {", "} }"],
  ])("names the function of %j", (start, end) => {
    expect(findLongFunctions("a.ts", `${start}\n${body(maxOwnLines)}\n${end}`)).toEqual([
      expect.stringContaining(": run has"),
    ]);
  });

  test("counts the functions that a factory assembles apart", () => {
    const factory = (count: number) =>
      `function create() {\n${Array.from({ length: count }, (_, index) => makeFunction(`part${index}`, 50)).join("\n")}\n}`;
    expect(findLongFunctions("a.ts", factory(3))).toEqual([]);
    expect(findLongFunctions("a.ts", factory(4))).toEqual([
      `a.ts:1: create has 202 lines; split it by role (at most ${maxFactoryLines})`,
    ]);
  });
});
