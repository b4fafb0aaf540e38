import { describe, expect, test } from "vitest";
import { readRequestId } from "./request-id.ts";

const request = (id?: string) =>
  new Request("http://localhost/", id === undefined ? {} : { headers: { "x-request-id": id } });

describe("id of a call", () => {
  test("is the caller's own", () => {
    expect(readRequestId(request("abc-1.x:y"))).toBe("abc-1.x:y");
    expect(readRequestId(request("a/b=c"), /^[\w/=]+$/)).toBe("a/b=c");
  });

  test.each([undefined, "", "a b", "a/b", "x".repeat(129)])("is a new one for %j", (id) => {
    expect(readRequestId(request(id))).toMatch(/^[\da-f-]{36}$/);
  });

  test("stays the same for the same call", () => {
    const one = request();
    const id = readRequestId(one);
    expect(readRequestId(one, /./)).toBe(id);
    expect(readRequestId(request())).not.toBe(id);
  });
});
