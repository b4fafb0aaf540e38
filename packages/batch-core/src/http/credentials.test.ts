import { describe, expect, test } from "vitest";
import { readCredentials } from "./credentials.ts";

const request = (headers: Record<string, string>) => new Request("http://localhost/", { headers });
const authorized = (authorization: string) => request({ authorization });
const basic = (pair: string) => authorized(`Basic ${Buffer.from(pair).toString("base64")}`);

describe("credentials of a request", () => {
  test.each([
    ["Bearer abc", "abc"],
    ["bearer  abc ", "abc"],
    ["Bearer", undefined],
    ["Bearer a b", undefined],
    ["Key=abc", undefined],
  ])("reads the bearer of %j", (header, secret) => {
    expect(readCredentials(authorized(header), "bearer")?.secret).toBe(secret);
  });

  test.each([
    ["Key=abc", "abc"],
    ["key=abc", undefined],
    ["Key= abc", undefined],
    ["Bearer abc", undefined],
  ])("reads the key of %j", (header, secret) => {
    expect(readCredentials(authorized(header), "key")?.secret).toBe(secret);
  });

  test("reads user and password of Basic, with colons in the password", () => {
    expect(readCredentials(basic("ada@example.com/token:s:ü"), "basic")).toEqual({
      user: "ada@example.com/token",
      secret: "s:ü",
    });
  });

  test("finds nothing in a malformed Basic", () => {
    expect(readCredentials(basic("no colon"), "basic")).toBeUndefined();
    expect(readCredentials(authorized("Basic !!"), "basic")).toBeUndefined();
    expect(readCredentials(authorized("Basic /w=="), "basic")).toBeUndefined();
  });

  test("reads a header of its own", () => {
    expect(readCredentials(request({ "x-api-key": " abc " }), { header: "X-Api-Key" })?.secret).toBe("abc");
    expect(readCredentials(request({ "x-api-key": " " }), { header: "X-Api-Key" })).toBeUndefined();
    expect(readCredentials(request({}), { header: "X-Api-Key" })).toBeUndefined();
  });
});
