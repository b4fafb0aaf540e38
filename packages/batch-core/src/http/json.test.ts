import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReinstateError } from "../errors/errors.ts";
import { parseJson, parseJsonBody } from "./json.ts";

const isRejected = (parse: () => unknown) => {
  try {
    parse();
    return false;
  } catch (error) {
    return ReinstateError.is(error, "malformed_json");
  }
};

describe("parseJson", () => {
  test("returns what JSON.parse returns", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
    expect(parseJson(' {"a" : "b:\\"c\\\\", "c":["a","a",{"a":1}], "d":{"a":1}}')).toEqual({
      a: 'b:"c\\',
      c: ["a", "a", { a: 1 }],
      d: { a: 1 },
    });
  });

  test.each(["", " ", "{", '{"a":1}x', '{"a":1}{"a":1}', "{'a':1}", '{"a":1,}', "\0", "NaN"])("rejects %j", (text) => {
    expect(isRejected(() => parseJson(text))).toBe(true);
  });

  test.each([
    '{"a":1,"a":1}',
    '{"a":1 , "b":[], "a" :2}',
    '{"x":[{"a":1,"\\u0061":2}]}',
    '{"__proto__":1,"__proto__":2}',
  ])("rejects the repeated name in %s", (text) => {
    expect(isRejected(() => parseJson(text))).toBe(true);
  });

  test("rejects what is nested too deep", () => {
    const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
    expect(isRejected(() => parseJson(nested(64)))).toBe(false);
    for (const depth of [65, 500_000]) expect(isRejected(() => parseJson(nested(depth)))).toBe(true);
  });

  test("rejects a body that is not UTF-8", async () => {
    await expect(parseJsonBody(Buffer.from('"é"', "latin1"))).rejects.toMatchObject({ code: "malformed_json" });
    expect(await parseJsonBody(Buffer.from('\ufeff"é"'))).toBe("é");
  });
});
