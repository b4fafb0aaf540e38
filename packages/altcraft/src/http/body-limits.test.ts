import { maxDepth } from "@reinstate/batch-core/http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { requestLimits } from "./body-limits.ts";
import { findExcess } from "./json-excess.ts";

/** Measures a value: its depth, the objects, lists and commas of its JSON, and the values of the largest of them. */
function measureBody(value: unknown): { depth: number; values: number; children: number } {
  if (typeof value !== "object" || value === null) return { depth: 0, values: 0, children: 0 };
  const inside = Object.values(value);
  const sizes = inside.map(measureBody);
  return {
    depth: 1 + Math.max(0, ...sizes.map(({ depth }) => depth)),
    values: Math.max(1, inside.length) + sizes.reduce((sum, { values }) => sum + values, 0),
    children: Math.max(inside.length, ...sizes.map(({ children }) => children)),
  };
}

const text = fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[\\"{}[\],:]{0,9}$/));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    text,
    fc.integer(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(text, tie("value"), { maxKeys: 5, noNullPrototype: true }),
  ),
}));

test("counts values, but not the contents of strings", async () => {
  await fc.assert(
    fc.asyncProperty(value, fc.constantFrom(undefined, 2), async (given, indent) => {
      const json = JSON.stringify(given, null, indent);
      const size = { ...requestLimits, ...measureBody(given) };
      const less = (name: "depth" | "values" | "children") => findExcess(json, { ...size, [name]: size[name] - 1 });
      expect(await findExcess(json, size)).toBeUndefined();
      if (size.depth > 0) expect(await less("depth")).toBe(`nested more than ${size.depth - 1} deep`);
      if (size.values > 0) expect(await less("values")).toBe(`more than ${size.values - 1} values`);
      if (size.children > 1) expect(await less("children")).toBe(`more than ${size.children - 1} values in one`);
    }),
    { numRuns: 1000 },
  );
});

test.each(["", '"', '"\\', "{{{", "]]]", '{"a', "\\"])(
  "%j, which is no JSON, is not looked at for ever",
  async (json) => {
    expect(await findExcess(json, requestLimits)).toBeUndefined();
  },
);

test("nesting is limited as in the rest of the gateway", () => {
  expect(requestLimits.depth).toBe(maxDepth);
});
