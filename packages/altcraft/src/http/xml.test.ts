import { createTestHost, repeatMeasurement } from "@reinstate/batch-core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AltcraftOptions, createAltcraft } from "../index.ts";
import { subscriptionIdentity } from "../schemas/identity.ts";
import { subscriptionSet } from "../schemas/requests.ts";
import { readXml, readXmlYielding, writeXml } from "./xml.ts";
import { readValue } from "./xml-values.ts";

describe("the reader", () => {
  test.each([
    ["a document type", '<!DOCTYPE xml [<!ENTITY a "b">]><xml>&a;</xml>', /DOCTYPE/],
    ["an unknown entity", "<xml>&a;</xml>", /entity/],
    ["a processing instruction", "<?php echo 1 ?><xml/>", /processing instructions/],
    ["another encoding", '<?xml version="1.0" encoding="UTF-16"?><xml/>', /UTF-8/],
    ["two roots", "<xml/><xml/>", /./],
    ["text after the root", "<xml/>text", /./],
    ["an open element", "<xml><a>", /./],
    ["crossed elements", "<xml><a><b></a></b></xml>", /./],
    ["nothing", "", /./],
    ["text beside elements", "<xml>text<a/></xml>", /text beside elements in <xml>/],
    ["depth", `<xml>${"<a>".repeat(64)}`, /more than 64 deep/],
    ["elements", `<xml>${"<a/>".repeat(4096)}</xml>`, /more than 4096 elements/],
    ["attributes", `<xml ${Array.from({ length: 17 }, (_, n) => `a${n}=""`).join(" ")}/>`, /more than 16 attributes/],
    ["text", `<xml><a>${"x".repeat(65_537)}</a></xml>`, /more than 65536 characters in <a>/],
  ])("refuses %s", (_, document, reason) => {
    expect(() => readXml(document)).toThrow(reason);
  });

  test("accepts documents at their limits", () => {
    const deep = `<xml>${"<a>".repeat(63)}${"</a>".repeat(63)}</xml>`;
    const wide = `<xml>${"<a/>".repeat(4095)}</xml>`;
    const long = `<xml><a>${"x".repeat(65_536)}</a></xml>`;
    for (const document of [deep, wide, long]) expect(readXml(document).name).toBe("xml");
  });

  test("reads declaration, comments, CDATA and references", () => {
    const document =
      '<?xml version="1.0" encoding="utf-8"?>\n<xml><!-- x -->\n <a> &lt;&#x41;<![CDATA[<b>]]> </a></xml>';
    expect(readXml(document).children[0]).toMatchObject({ name: "a", text: "<A<b>" });
  });
});

describe("readValue", () => {
  const typed = (inside: string) => readValue(readXml(`<xml>${inside}</xml>`), subscriptionSet);
  test.each([
    [
      "<db_id>1</db_id><channel>sms</channel><phone>+79000000000</phone>",
      { db_id: 1, channel: "sms", phone: "+79000000000" },
    ],
    [
      "<profile_id>0123</profile_id><email>1</email><channel>email</channel>",
      { profile_id: "0123", email: "1", channel: "email" },
    ],
    ["<channel>telegram_bot</channel><cc_data><id>12</id></cc_data>", { channel: "telegram_bot", cc_data: { id: 12 } }],
    [
      "<channel>whatsapp</channel><cc_data><phone>12</phone></cc_data>",
      { channel: "whatsapp", cc_data: { phone: "12" } },
    ],
    ["<channel>mine</channel><cc_data><id>12</id></cc_data>", { channel: "mine", cc_data: { id: "12" } }],
    ["<db_id>+1</db_id><priority>1.0</priority>", { db_id: "+1", priority: "1.0" }],
    ["<db_id>x</db_id><skip_triggers>yes</skip_triggers>", { db_id: "x", skip_triggers: "yes" }],
    ["<skip_triggers>true</skip_triggers><status>0</status>", { skip_triggers: true, status: 0 }],
    ["<status>suspended</status>", { status: "suspended" }],
    ["<status/><priority/>", { status: null, priority: null }],
    ["<cats array='true'>1</cats>", { cats: ["1"] }],
    ["<cats array='true'/>", { cats: [] }],
    ["<cats/><url></url><date> </date><ip/>", { cats: null, url: null, date: null, ip: null }],
    ["<custom_fields><n/><l array='true'/></custom_fields>", { custom_fields: { n: null, l: [] } }],
    ["<cats>1</cats>", { cats: ["1"] }],
    ["<cats>1</cats><cats>2</cats>", { cats: ["1", "2"] }],
    ["<custom_fields><n>5</n><l array='true'>a</l></custom_fields>", { custom_fields: { n: "5", l: ["a"] } }],
    ["<__proto__>1</__proto__>", JSON.parse('{"__proto__":"1"}')],
  ])("%s", (inside, expected) => {
    expect(JSON.parse(JSON.stringify(typed(inside)))).toEqual(expected);
  });

  test("rejects a repeated element that is no list", () => {
    expect(() => typed("<db_id>1</db_id><db_id>2</db_id>")).toThrow("<db_id> is given 2 times");
    expect(() => typed("<custom_fields><a>1</a><a>2</a></custom_fields>")).toThrow("<a> is given 2 times");
  });
});

describe("the writer", () => {
  test("writes members in byte order and repeats lists", () => {
    expect(writeXml({ error: 0, data: { b: [1, 2], _a: "<&>", B: true, none: [], gone: undefined }, c: null })).toBe(
      "<xml><c/><data><B>true</B><_a>&lt;&amp;&gt;</_a><b>1</b><b>2</b></data><error>0</error></xml>",
    );
    expect(writeXml({ cats: ["a"] }, { request: true, declaration: true })).toBe(
      `<?xml version="1.0" encoding="UTF-8" ?><xml><cats array='true'>a</cats></xml>`,
    );
  });

  test("never writes a stored name as markup", () => {
    const odd = { "a b": 1, "1": 2, "b/></xml><c": null, "": 3, ж: 4 };
    expect(readXml(writeXml(odd)).children.map(({ name }) => name)).toEqual(["_", "_1", "_a_b", "_b____xml__c", "__"]);
    expect(writeXml({ a: [[1, 2], [3]] })).toBe("<xml><a><a>1</a><a>2</a></a><a><a>3</a></a></xml>");
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["a name", { a: { "b c": 1 } }, /"b c" cannot be the name of an element/],
    ["a character", { a: "\u0001" }, /characters that XML cannot express/],
    ["an empty text", { a: { b: "" } }, /an empty value from null in <b>/],
    ["an empty object", { a: { b: {} } }, /an empty value from null in <b>/],
    ["a list of null", { a: [null] }, /a list of null from an empty list in <a>/],
    ["a list in a list", { a: [[1]] }, /a list in a list in <a>/],
  ])("refuses to write a request with %s", (_, given, reason) => {
    expect(() => writeXml(given, { request: true })).toThrow(reason);
    expect(readXml(writeXml(given)).name).toBe("xml");
  });

  test("marks empty lists and omits empty objects in requests", () => {
    expect(writeXml({ cats: [], custom_fields: {}, n: null }, { request: true })).toBe(
      "<xml><cats array='true'/><n/></xml>",
    );
  });

  test("replaces characters that XML cannot express", () => {
    expect(writeXml({ a: "\u0001\ud800b\tc" })).toBe("<xml><a>\uFFFD\uFFFDb\tc</a></xml>");
  });
});

const word = fc.stringMatching(/^[!-~]{1,20}$/);
const phone = fc.stringMatching(/^\+?\d{1,15}$/);
const place = { db_id: fc.integer({ min: 1 }), resource_id: fc.integer({ min: 1 }), profile_id: word };
const identities = fc.oneof(
  fc.record({ ...place, channel: fc.constant("email"), email: fc.stringMatching(/^[a-z&<>'"]{1,9}@[a-z.]{1,9}$/) }),
  fc.record({ ...place, channel: fc.constant("sms"), phone }),
  fc.record({ ...place, channel: fc.constant("push"), provider: word, subscription_id: word }),
  fc.record({ ...place, channel: fc.constant("telegram_bot"), cc_data: fc.record({ id: fc.maxSafeInteger() }) }),
  fc.record({
    ...place,
    channel: fc.constantFrom("whatsapp", "viber", "notify"),
    cc_data: fc.record({ phone }),
  }),
  fc.record({ ...place, channel: fc.constant("mine"), cc_data: fc.record({ a: word, b: word }) }),
);

test("reads the same document with yields", async () => {
  const data = Array.from({ length: 1000 }, (_, n) => ({ n, text: "\u{1f600}\r\n&".repeat(1 + (n % 50)) }));
  const limits = { depth: 4, values: 10_000, children: 10_000, attributes: 1, text: 1000 };
  const document = writeXml({ data }, { declaration: true });
  expect(document.length).toBeGreaterThan(3 * 65_536);
  expect(await readXmlYielding(document, limits)).toEqual(readXml(document, limits));
});

test("preserves any subscription through XML", () => {
  fc.assert(
    fc.property(identities, (identity) => {
      const back = readValue(readXml(writeXml(identity)), subscriptionIdentity);
      expect(subscriptionIdentity.parse(back)).toEqual(subscriptionIdentity.parse(identity));
    }),
  );
});

describe("malformed XML", () => {
  const members = { token: "t", db_id: 1, resource_id: 26, profile_id: "p", channel: "email", email: "a@b" };
  const valid = writeXml({ ...members, custom_fields: { a: "1", b: { c: "x" } }, cats: ["x", "y"] }, { request: true });
  const pieces = [
    ...["<", ">", "&", "</", "<?", "<!", "]]>", "-->", "'", '"', "=", "/", " ", "\n", "\0", "\ufffe", "\u{1f600}"],
    ...["<a>", "</a>", "<a/>", "<\u00e9>", "<a:b>", "<-a>", "<xml>", "</xml>", "<a xmlns='x'>", "a='1' "],
    ...["<!--", "<!--x-->", "<![CDATA[", "<?xml version='1.0'?>", "<?php ?>", "<!DOCTYPE xml [", "<!ENTITY a 'b'>"],
    ...["&#65;", "&#0;", "&#xD800;", "&#x110000;", "&lt;", "&a;", "&amp"],
    ...["<db_id/>", "<db_id>1</db_id>", "<db_id>1e3</db_id>", "<data array='true'>", "<cc_data>", "<__proto__>"],
    ...["<constructor>1</constructor>", "<hash_id>0</hash_id>", "<matching>email</matching>", "<status>9</status>"],
  ];
  const edit = fc.tuple(
    fc.nat(valid.length),
    fc.nat(12),
    fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "binary", maxLength: 6 })),
  );
  const damaged = fc
    .array(edit, { minLength: 1, maxLength: 5 })
    .map((edits) =>
      edits.reduce((text, [at, length, insert]) => text.slice(0, at) + insert + text.slice(at + length), valid),
    );
  const start = fc.constantFrom(
    "",
    "<",
    "<xml>",
    "<xml ",
    "<xml><a>",
    "<xml><a ",
    "<xml><!--",
    "<xml><![CDATA[",
    "<xml a='",
  );
  const bomb = fc
    .tuple(start, fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 3 }), fc.nat(60_000))
    .map(([start, repeated, size]) => {
      const piece = repeated.join("");
      return start + piece.repeat(Math.ceil(size / piece.length));
    });
  const documents = fc.oneof(
    { weight: 4, arbitrary: damaged },
    { weight: 2, arbitrary: bomb },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from(bytes)) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
  );
  const methods = ["subscriptions/get", "subscriptions/set", "subscriptions/undelete_batch", "profiles/get"];

  async function server(options: AltcraftOptions = {}) {
    const host = await createTestHost();
    const { routes } = await createAltcraft(host, { extensions: "on", ...options });
    async function ask(method: string, body: string | Uint8Array<ArrayBuffer>) {
      const headers = { "content-type": "application/xml" };
      const request = new Request(`http://localhost/api/v1.1/${method}`, { method: "POST", body, headers });
      // Of this thread alone: what others do on the machine meanwhile costs it nothing.
      const before = process.threadCpuUsage();
      const reply = await routes.fetch(request);
      const text = await reply.text();
      const { user, system } = process.threadCpuUsage(before);
      const ms = (user + system) / 1000;
      return { status: reply.status, error: /<error>(\d+)</.exec(text)?.[1], ms };
    }
    // Whose code has run once is not slow for being new.
    for (const method of methods) await ask(method, valid);
    return { ask, [Symbol.asyncDispose]: () => host.close() };
  }
  type Server = Awaited<ReturnType<typeof server>>;

  async function check({ ask }: Server, method: string, document: string | Uint8Array<ArrayBuffer>) {
    const measure = async () => {
      const { status, error, ms } = await ask(method, document);
      // Some damage leaves a document whose token is unknown to the server, or that is only too long.
      expect(["400", "401", "413"]).toContain(error);
      expect(status).toBe(Number(error));
      return ms;
    };
    expect(await repeatMeasurement(50, measure)).toBeLessThan(50);
  }

  test("is measured: without the limits it takes longer", async () => {
    await using served = await server({ xmlBodyLimit: 16 * 1024 * 1024 });
    const document = `<xml>${"<!--x-->".repeat(1_500_000)}`;
    await expect(check(served, "subscriptions/get", document)).rejects.toThrow("to be less than 50");
  });

  test("of any kind is rejected quickly", async () => {
    await using served = await server();
    const property = fc.asyncProperty(fc.constantFrom(...methods), documents, (method, document) =>
      check(served, method, document),
    );
    await fc.assert(property, { numRuns: 600 });
  });

  test("of megabytes yields to other work", async () => {
    await using served = await server();
    const document = `<xml>${"<!--x-->".repeat(1_000_000)}`;
    let turns = 0;
    let done = false;
    const asked = served.ask("subscriptions/undelete_batch", document).finally(() => {
      done = true;
    });
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    expect((await asked).error).toBe("400");
    expect(turns).toBeGreaterThan(100);
  });

  test.each([
    `<!DOCTYPE xml [<!ENTITY a "${"x".repeat(50_000)}">]><xml>${"&a;".repeat(1000)}</xml>`,
    "<a>".repeat(20_000),
    `<xml>${"<a/>".repeat(16_000)}</xml>`,
    `<xml ${Array.from({ length: 5000 }, (_, n) => `a${n}=""`).join(" ")}/>`,
    `<xml><token>${"&#65;".repeat(12_000)}</token></xml>`,
    `<xml>${"<!--x-->".repeat(8000)}`,
  ])("bomb %#", async (document) => {
    await using served = await server();
    await check(served, "subscriptions/get", document);
  });
});
