import fc from "fast-check";
import { XMLBuilder, XMLParser } from "fast-xml-parser";
import { describe, expect, test } from "vitest";
import { documentedCalls } from "../fixtures/documents.ts";
import { demo, start } from "../fixtures/server.ts";
import { pageReply } from "../schemas/replies.ts";
import { statuses, subscriptionSet } from "../schemas/requests.ts";
import { readXml, writeXml } from "./xml.ts";
import { readValue } from "./xml-values.ts";

/** A parser that has nothing in common with ours, told to guess no types. */
const second = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: true,
  processEntities: true,
  // For references by number.
  htmlEntities: true,
  ignoreDeclaration: true,
});

/** Returns a value as it is after a round trip through XML: leaves are text, null is empty, a list of one is no list. */
function asXmlTells(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 1 ? asXmlTells(value[0]) : value.map(asXmlTells);
  if (typeof value !== "object" || value === null) return value === null ? "" : String(value).trim();
  const members = Object.entries(value).filter(
    ([, member]) => member !== undefined && !(Array.isArray(member) && member.length === 0),
  );
  return members.length === 0 ? "" : Object.fromEntries(members.map(([name, member]) => [name, asXmlTells(member)]));
}

const name = fc
  .stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,9}$/)
  .filter((word) => !["__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty"].includes(word));
const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom("+79000000000", "007", "1e3", "true", "null", "&lt;", "&#65;", "<![CDATA[x]]>", "]]>", "a\r\nb"),
);
// White space at the ends is not kept, nor is what XML 1.0 cannot hold.
const leaf = text.filter(
  (one) => one === one.trim() && /^[\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u.test(one),
);
const { tree } = fc.letrec<{ tree: unknown; list: unknown[] }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    tie("list"),
    fc.dictionary(name, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
  ),
  list: fc.array(fc.oneof(leaf, fc.integer(), fc.dictionary(name, leaf, { maxKeys: 3, noNullPrototype: true })), {
    maxLength: 4,
  }),
}));

test("a second parser reads what we write", () => {
  fc.assert(
    fc.property(fc.dictionary(name, tree, { maxKeys: 5, noNullPrototype: true }), (value) => {
      const { xml } = second.parse(writeXml(value, { declaration: true }));
      expect(xml).toEqual(asXmlTells(value));
    }),
  );
});

/** Any name: such as are markup, such as no element can have, and such as every object has. */
const anyName = fc.oneof(
  name,
  fc.string({ unit: "grapheme", maxLength: 12 }),
  // Names as `toString` the second parser has its own way with.
  fc.constantFrom("b/></a><c", "x y", "1", "__proto__", "a:b", "xmlns", "", "é", "-a", ".a"),
);
const anything = fc.object({
  key: anyName,
  maxDepth: 4,
  maxKeys: 4,
  values: [fc.string(), fc.integer(), fc.constant(null)],
});

test("whatever set accepts is read back by the second parser", async () => {
  await using server = await start();
  let user = 0;
  const taken = fc.asyncProperty(anything, async (custom_fields) => {
    const one = { ...demo.place, channel: "own_bot", cc_data: { user: ++user } };
    const { status } = await server.ask("subscriptions/set", { ...one, custom_fields });
    expect([200, 400]).toContain(status);
    if (status === 400) return;
    const [json, inXml] = await Promise.all(
      ["json", "xml"].map((format) => server.post("subscriptions/get", { token: demo.token, format, ...one })),
    );
    const document = inXml?.text ?? "";
    expect(names(second.parse(document))).toEqual(names(asXmlTells({ xml: JSON.parse(json?.text ?? "") })));
    expect(readXml(document).name).toBe("xml");
    accepted++;
  });
  let accepted = 0;
  await fc.assert(taken, { numRuns: 300 });
  expect(accepted).toBeGreaterThan(50);
});

/** Returns the names in a value, at any depth. */
function names(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = Array.isArray(value) ? [] : Object.keys(value);
  return [...new Set([...own, ...Object.values(value).flatMap(names)])].sort();
}

const place = {
  db_id: fc.integer({ min: 1 }),
  resource_id: fc.integer({ min: 1 }),
  profile_id: fc.stringMatching(/^[!-~]{1,20}$/),
};
/** Leaves that XML can express: an empty text would become null. */
const said = leaf.filter((one) => one !== "");
const plainField = fc.oneof(said, fc.dictionary(name, said, { minKeys: 1, maxKeys: 3 }));
const operand = fc.oneof(said, fc.array(said, { maxLength: 3 }));
const call = fc.record({ action: fc.constantFrom("set", "unset", "add", "delete", "upsert"), value: operand });
const anyField = fc.oneof(plainField, fc.constant(null), fc.array(plainField, { maxLength: 3 }), call);

const makeChanges = (field: fc.Arbitrary<unknown>, minLength: number) =>
  fc.record(
    {
      status: fc.oneof(fc.constantFrom(...statuses), fc.nat(6)),
      priority: fc.nat(2_147_483_647),
      custom_fields: fc.dictionary(name, field, { maxKeys: 4 }),
      cats: fc.array(said, { minLength, maxLength: 4 }),
      date: fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString()),
      url: fc.webUrl(),
      skip_triggers: fc.boolean(),
    },
    { requiredKeys: [] },
  );
const makeSetCalls = (changes: fc.Arbitrary<object>) =>
  fc
    .tuple(
      fc.oneof(
        fc.record({ ...place, channel: fc.constant("sms"), phone: fc.stringMatching(/^\+?\d{1,15}$/) }),
        fc.record({ ...place, channel: fc.constant("telegram_bot"), cc_data: fc.record({ id: fc.maxSafeInteger() }) }),
        fc.record({
          ...place,
          channel: fc.constant("mine"),
          cc_data: fc.dictionary(name, said, { minKeys: 1, maxKeys: 3 }),
        }),
      ),
      changes,
    )
    .map(([identity, changes]) => ({ ...identity, ...changes }));
/** Values that a caller may pass to our client. */
const set = makeSetCalls(makeChanges(anyField, 0));
/** Values that a writer without marks for lists can express. */
const unmarkedSet = makeSetCalls(makeChanges(plainField, 1));

test("JSON → XML → JSON: any request of set means the same in both formats", () => {
  fc.assert(
    fc.property(set, (given) => {
      const wanted = subscriptionSet.safeParse(JSON.parse(JSON.stringify(given)));
      const back = readValue(readXml(writeXml(given, { request: true })), subscriptionSet);
      // An empty object is nothing in XML, as null is.
      const known = Object.fromEntries(Object.entries(back as object).filter(([, value]) => value !== null));
      const got = subscriptionSet.safeParse(known);
      expect(got.success).toBe(wanted.success);
      if (!wanted.data?.custom_fields || Object.keys(wanted.data.custom_fields).length > 0) {
        expect(JSON.parse(JSON.stringify(got.data ?? null))).toEqual(JSON.parse(JSON.stringify(wanted.data ?? null)));
      }
    }),
  );
});

/** Returns the meaning of a request of set. In XML an empty object is absent, and null counts as absent. */
function meaning(given: unknown) {
  const known = Object.fromEntries(Object.entries(given as object).filter(([, value]) => value !== null));
  const { data, success } = subscriptionSet.safeParse(known);
  const { custom_fields, ...rest } = JSON.parse(JSON.stringify(data ?? {}));
  return { success, ...rest, custom_fields: custom_fields ?? {} };
}

test("a second writer: any request of set means the same as in JSON", () => {
  // A carriage return is read as a line feed where it is not written as a reference, as this writer does not.
  const plain = unmarkedSet.filter((given) => !JSON.stringify(given).includes("\\r"));
  fc.assert(
    fc.property(plain, fc.boolean(), fc.boolean(), (given, format, suppressEmptyNode) => {
      const document = new XMLBuilder({ format, suppressEmptyNode }).build({ xml: given });
      expect(meaning(readValue(readXml(document), subscriptionSet))).toEqual(
        meaning(JSON.parse(JSON.stringify(given))),
      );
    }),
  );
});

const shownOne = fc.record(
  {
    db_id: fc.nat(),
    profile_id: leaf.filter((one) => one !== ""),
    _xxh: fc.stringMatching(/^[0-9]{16}$/),
    hash_id: fc.stringMatching(/^[0-9a-f]{8}$/),
    resource_id: fc.nat(),
    channel: fc.constantFrom("sms", "mine"),
    status: fc.constantFrom(...statuses),
    phone: fc.stringMatching(/^\+?\d{1,15}$/),
    priority: fc.nat(),
    cats: fc.array(said, { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: ["db_id", "profile_id", "_xxh", "hash_id", "resource_id", "channel", "status"] },
);

test("JSON → XML → JSON: any page of subscriptions is read back by the client as it was", () => {
  fc.assert(
    fc.property(fc.array(shownOne, { maxLength: 5 }), (data) => {
      const reply = { data, error: 0, error_text: "Successful operation", next_from_id: "123" };
      expect(pageReply.parse(readValue(readXml(writeXml(reply)), pageReply, { reply: true }))).toEqual(reply);
    }),
  );
});

describe("the two formats of one reply", () => {
  test.each(documentedCalls)("of the documented call of $method say the same to a second parser", ({ reply }) => {
    expect(second.parse(reply.xml).xml).toEqual(asXmlTells(JSON.parse(reply.json)));
  });

  test("of every method say the same to a second parser", async () => {
    await using server = await start({ extensions: "on" });
    const { token, place, john } = demo;
    const custom = { ...john, custom_fields: { a: "<&>", b: { c: "x" } }, cats: ["one"], priority: 0 };
    const asked: [string, object][] = [
      ["subscriptions/set", custom],
      ["subscriptions/get", john],
      ["subscriptions/list", place],
      ["subscriptions/list_all", { resource_id: 26, limit: 1 }],
      ["subscriptions/suspend_all", { db_id: 1, channel: "sms" }],
      ["profiles/get", { db_id: 1, email: john.email }],
      ["subscriptions/list_deleted", { db_id: 1, limit: 2 }],
      ["subscriptions/undelete_batch", { data: [john, { ...john, email: "no@example.com" }], dry_run: true }],
      ["subscriptions/undelete", { ...john, email: "none" }],
    ];
    for (const [method, body] of asked) {
      const [json, inXml] = await Promise.all(
        ["json", "xml"].map((format) => server.post(method, { token, format, ...body })),
      );
      expect(second.parse(inXml?.text ?? "").xml, method).toEqual(asXmlTells(JSON.parse(json?.text ?? "")));
    }
  });
});
