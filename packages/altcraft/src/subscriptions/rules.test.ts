import { describe, expect, test } from "vitest";
import { altcraftOptions } from "../options.ts";
import { type SubscriptionIdentity, subscriptionIdentity } from "../schemas/identity.ts";
import { makeSubscription } from "../testing.ts";
import { applyChanges, findInvalidIncrement, findUnknownCats, statusWord, toKey, toOutcome } from "./rules.ts";
import { xxh32, xxh64 } from "./xxhash.ts";

const settings = altcraftOptions.parse({});
const place = { db_id: 1, resource_id: 26, profile_id: "p1" };
const address = (given: object) => toKey(subscriptionIdentity.parse({ ...place, ...given }), settings).address;

describe("the address by which a subscription is found", () => {
  test.each([
    [{ channel: "email", email: " John@Example.COM " }, "john@example.com"],
    [{ channel: "sms", phone: "+7 (900) 000-00-00" }, "+79000000000"],
    [{ channel: "sms", phone: "79000000000" }, "79000000000"],
    [{ channel: "push", provider: "Firefox", subscription_id: "aB" }, '["Firefox","aB"]'],
    [{ channel: "telegram_bot", cc_data: { id: -100123 } }, "-100123"],
    [{ channel: "whatsapp", cc_data: { phone: "+7 900" } }, "+7900"],
    [{ channel: "viber", cc_data: { phone: "+7-900" } }, "+7900"],
    [{ channel: "notify", cc_data: { phone: "+7900" } }, "+7900"],
    [{ channel: "max_bot", cc_data: { b: 1, a: { d: [true], c: "x" } } }, '{"a":{"c":"x","d":["true"]},"b":"1"}'],
  ])("%j", (given, expected) => {
    expect(address(given)).toBe(expected);
  });

  test("two push tokens are never mixed up with their providers", () => {
    const push = (provider: string, subscription_id: string) => address({ channel: "push", provider, subscription_id });
    expect(push("a b", "c")).not.toBe(push("a", "b c"));
    expect(push("Firefox", "c")).not.toBe(push("firefox", "c"));
  });

  test("a long address is kept as its digest", () => {
    const push = (end: string) => address({ channel: "push", provider: "x", subscription_id: "y".repeat(300) + end });
    expect(push("1")).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(push("1")).not.toBe(push("2"));
  });
});

test("ids are made as the vendor makes them", () => {
  // Printed in the vendor's pages; the other two are the algorithms' published values of the empty text.
  expect(xxh32("zanitrevitteu-5912@1xp.fr").toString(16)).toBe("fcf06ea1");
  expect(xxh32("").toString(16)).toBe("2cc5d05");
  expect(xxh64("").toString(16)).toBe("ef46db3751d8e999");
  const identity: SubscriptionIdentity = { ...place, channel: "email", email: "Zanitrevitteu-5912@1xp.fr" };
  expect(makeSubscription(identity).hash_id).toBe("fcf06ea1");
});

test("what became of an item", () => {
  expect(toOutcome("undelete", "k", "changed")).toEqual({ key: "k", outcome: "done" });
  expect(toOutcome("undelete", "k", "unchanged")).toMatchObject({ outcome: "skipped", code: "not_deleted" });
  expect(toOutcome("delete", "k", "unchanged")).toMatchObject({ outcome: "skipped", code: "already_deleted" });
  expect(toOutcome("delete", "k", "missing")).toMatchObject({ outcome: "failed", code: "not_found" });
});

test("statuses by word and by number", () => {
  expect([0, 1, 2, 3, 4, 5, 6].map((number) => statusWord(number))).toEqual([
    "subscribed",
    "unsubscribed",
    "complained",
    "hardbounced",
    "unconfirmed",
    "suspended",
    "invalid",
  ]);
  expect(statusWord("suspended")).toBe("suspended");
});

describe("an edit", () => {
  const stored = makeSubscription(
    { ...place, channel: "sms", phone: "+7900" },
    { status: "unsubscribed", priority: 2, cats: ["a"], custom_fields: { n: 5, list: ["x"], s: "t" }, is_delete: true },
  );

  test("leaves what it does not name", () => {
    expect(applyChanges(stored, {}, 9, "yes")).toEqual({
      ...stored,
      is_delete: false,
      deleted_at: null,
      updated_at: 9,
    });
    expect(applyChanges(stored, { priority: 0, cats: [] }, 9, "no")).toEqual({
      ...stored,
      priority: 0,
      cats: [],
      updated_at: 9,
    });
  });

  test.each([
    [{ n: 6 }, { n: 6 }],
    [{ n: null }, { n: undefined }],
    [{ n: { action: "set", value: "v" } }, { n: "v" }],
    [{ n: { action: "unset" } }, { n: undefined }],
    [{ n: { action: "incr", value: -2 } }, { n: 3 }],
    [{ newSubscription: { action: "incr" } }, { newSubscription: 1 }],
    [{ list: { action: "add", value: ["x", "y"] } }, { list: ["x", "x", "y"] }],
    [{ list: { action: "upsert", value: ["x", "y"] } }, { list: ["x", "y"] }],
    [{ list: { action: "delete", value: "x" } }, { list: [] }],
    [{ toString: { action: "add", value: "x" } }, { toString: ["x"] }],
    [{ constructor: { action: "incr" } }, { constructor: 1 }],
    [{ valueOf: { action: "upsert", value: "x" } }, { valueOf: ["x"] }],
  ])("of fields: %j", (custom_fields, expected) => {
    const after = applyChanges(stored, { custom_fields }, 9, "yes").custom_fields;
    const wanted: Record<string, unknown> = { ...stored.custom_fields, ...expected };
    for (const [name, value] of Object.entries(wanted)) if (value === undefined) delete wanted[name];
    expect(after).toEqual(wanted);
  });
});

test("what cannot be counted up", () => {
  const incr = (value?: unknown) => ({ n: { action: "incr", value } });
  expect(findInvalidIncrement({ n: "x" }, incr())).toBe("n");
  expect(findInvalidIncrement({ n: 1e308 }, incr(1e308))).toBe("n");
  expect(findInvalidIncrement({ n: "1" }, incr("2"))).toBeUndefined();
  expect(findInvalidIncrement({}, { toString: { action: "incr" } })).toBeUndefined();
});

test("categories of a resource", () => {
  expect(findUnknownCats(null, ["a"])).toEqual([]);
  expect(findUnknownCats(["a"], ["a", "b"])).toEqual(["b"]);
  expect(findUnknownCats(["a"], undefined)).toEqual([]);
});
