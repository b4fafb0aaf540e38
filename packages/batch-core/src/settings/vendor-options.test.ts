import { describe, expect, test } from "vitest";
import * as z from "zod";
import { givenTogether, headerSecret, readVendorOptions, timeZoneName } from "./vendor-options.ts";

const options = z
  .strictObject({
    limit: z.int().default(5),
    url: z.string().optional(),
    token: headerSecret.optional(),
    account: headerSecret.optional(),
    timeZone: timeZoneName.default("UTC"),
  })
  .check(givenTogether("url", "token", "account"));

/** The line that stops the start. */
function findFault(given: object): string | undefined {
  try {
    readVendorOptions("zendesk", options, given);
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ code: "bad_setting" });
    return (error as Error).message;
  }
}

describe("options of a vendor", () => {
  test("get their defaults", () => {
    expect(readVendorOptions("zendesk", options, {})).toEqual({ limit: 5, timeZone: "UTC" });
  });

  test.each([
    [{ limits: 5 }, "vendor zendesk: limits: is not an option"],
    [{ limit: "5" }, "vendor zendesk: limit: Invalid input: expected number, received string"],
    [{ url: "u" }, "vendor zendesk: token: is required with url"],
    [{ token: "t", account: "a" }, "vendor zendesk: url: is required with token"],
    [{ url: "u", token: "t" }, "vendor zendesk: account: is required with url"],
    [{ url: "u", token: "t", account: "a" }, undefined],
    [{ timeZone: "Mars/Olympus" }, "vendor zendesk: timeZone: must be an IANA time zone, such as Europe/Berlin"],
  ])("%j: %s", (given, message) => {
    expect(findFault(given)).toBe(message);
  });

  test("are not repeated in a message", () => {
    expect(findFault({ url: "u", token: "s3cr3t ü", account: "a" })).toBe(
      "vendor zendesk: token: must be visible ASCII characters",
    );
  });
});
