import { describe, expect, test } from "vitest";
import { readJson } from "./json-text.ts";

describe("readJson", () => {
  test.each([
    '{"a":1,"a":2}',
    '{"a" :1, "a"\n:2}',
    '[{"b":{"a":1,"a":1}}]',
    '{"a":"\\":","a":1}',
    '{"a":1,"\\u0061":2}',
    '{"__proto__":1,"__proto__":2}',
  ])("rejects a repeated name in %s", (text) => {
    expect(readJson(text).fault).toMatch(/^the name "(a|__proto__)" occurs twice in an object$/);
  });

  test.each(['[{"a":1},{"a":2}]', '{"a":"a\\": b","b":":","__proto__":{"a":"x\\":"}}', '"a\\":"', "{}"])(
    "reads %s",
    (text) => {
      expect(readJson(text)).toEqual({ value: JSON.parse(text) });
    },
  );

  test("keeps the stack of later errors", () => {
    expect(readJson("{x").fault).toMatch(/JSON/);
    expect(new Error("planted").stack).toContain("json-text.test.ts");
  });
});
