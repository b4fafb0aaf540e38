import { ReinstateError } from "@reinstate/batch-core";
import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { altcraft, createAltcraft, type ImportOptions, importSubscriptions, type RefusedLine } from "../index.ts";

const place = { db_id: 1, resource_id: 26, profile_id: "p1" };
const json = (...lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
const email = (n: number, more: object = {}) => ({ ...place, channel: "email", email: `p${n}@example.com`, ...more });

async function* parts(content: string | Uint8Array, size: number) {
  const bytes = Buffer.from(content);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function start(databaseUrl = "sqlite::memory:") {
  const host = await createTestHost({ databaseUrl });
  const instance = await createAltcraft(host, { extensions: "on" });
  const all = async () => instance.store.listProfile(place, { deleted: true });
  const read = (content: string | Uint8Array, options: ImportOptions, size = 7) =>
    importSubscriptions(instance, parts(content, size), options);
  return { host, altcraft: instance, all, read, [Symbol.asyncDispose]: () => host.close() };
}

describe.each(ledgerDatabases)("importSubscriptions on $name", ({ open }) => {
  test("imports valid NDJSON lines and reports the others", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const refused: RefusedLine[] = [];
    const content = Buffer.concat([
      Buffer.from(`\uFEFF${json(email(1, { status: "unsubscribed", is_delete: true, cats: ["ж"] }))}\r\n`),
      Buffer.from(`${json(email(2, { db_id: "1" }))}{"db_id":\n[]\n`),
      Buffer.from([0x22, 0xff, 0x22, 0x0a]),
      Buffer.from(`"${"x".repeat(1024 * 1024)}"\n`),
      // Without an end of line.
      Buffer.from(`${json(email(1))}${JSON.stringify(email(3, { custom_fields: { n: 1 } }))}`),
    ]);
    const imported = await server.read(content, { format: "ndjson", onRefused: (line) => refused.push(line) }, 1000);
    expect(imported).toEqual({ read: 8, added: 2, kept: 1, refused: 5, firstRefused: refused });
    expect(refused).toEqual([
      { line: 3, message: 'field "db_id": expected number, received string' },
      { line: 4, message: expect.stringMatching(/^is not JSON: /) },
      { line: 5, message: 'field "channel": is required' },
      { line: 6, message: expect.stringMatching(/^is not UTF-8/) },
      { line: 7, message: "is longer than 1048576 bytes" },
    ]);
    expect(await server.all()).toMatchObject([
      { address: "p1@example.com", status: "unsubscribed", is_delete: true, cats: ["ж"] },
      { address: "p3@example.com", custom_fields: { n: 1 }, is_delete: false },
    ]);
  });

  test("treats null as absent and ignores computed fields", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const nothing = { priority: null, status: null, custom_fields: null, cats: null, url: null, is_delete: null };
    const content = json(email(1, nothing), email(2, { hash_id: "x", _xxh: "y", deleted_at: "z", is_delete: true }));
    expect(await server.read(content, { format: "ndjson" })).toMatchObject({ added: 2, refused: 0 });
    const csv = "db_id,resource_id,profile_id,channel,email,_xxh,_xxm,hash_id,deleted_at\n1,26,p1,email,c@d,x,1,y,z\n";
    expect(await server.read(csv, { format: "csv" })).toMatchObject({ added: 1, refused: 0 });
    expect((await server.all()).map(({ is_delete, deleted_at }) => [is_delete, deleted_at !== null])).toEqual([
      [false, false],
      [false, false],
      [true, true],
    ]);
  });

  test("applies the option channel to lines without one", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const instance = await createAltcraft(host);
    const source = (async function* () {
      yield Buffer.from("db_id,resource_id,profile_id,email,phone,channel\n1,26,p1,a@b,,\n1,26,p1,,+7901,sms\n");
    })();
    const options = { format: "csv", account: "", options: { channel: "email" }, onRefused() {} } as const;
    expect(await altcraft.import?.run(host, instance, source, options)).toEqual({ imported: 2, refused: 0 });
    expect((await instance.store.listProfile(place, { deleted: true })).map(({ channel }) => channel)).toEqual([
      "email",
      "sms",
    ]);
  });

  test("imports thousands of lines once", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const content = json(...Array.from({ length: 1200 }, (_, n) => email(n)));
    const counts = { read: 1200, refused: 0, firstRefused: [] };
    expect(await server.read(content, { format: "ndjson" }, 4093)).toEqual({ ...counts, added: 1200, kept: 0 });
    expect(await server.read(content, { format: "ndjson" }, 65_536)).toEqual({ ...counts, added: 0, kept: 1200 });
  });

  test("does not import erased subscriptions", async () => {
    await using database = await open();
    await using server = await start(database.url);
    await server.read(json(email(1)), { format: "ndjson" });
    const { secret: token } = await server.host.keys.create({
      vendor: "altcraft",
      options: { methods: ["subscriptions/erase"] },
    });
    const body = JSON.stringify({ token, ...email(1), reason: "asked for" });
    await server.altcraft.routes.fetch(
      new Request("http://localhost/api/v1.1/subscriptions/erase", { method: "POST", body }),
    );
    const imported = await server.read(json(email(2), email(1)), { format: "ndjson" });
    expect(imported).toMatchObject({ added: 1, firstRefused: [{ line: 2, message: "Subscription was erased" }] });
  });
});

describe("a safety flag in a file", () => {
  test.each(["dry_run", "dryRun", "explain", "consent-guard", "x.dry_run"])("refuses a line with %s", async (name) => {
    await using server = await start();
    const content = json(email(1, { [name]: true }), email(2, { custom_fields: { [name]: 1 } }));
    const imported = await server.read(content, { format: "ndjson" });
    expect(imported).toMatchObject({
      added: 1,
      firstRefused: [{ line: 1, message: `${name} is not supported in an item; remove it` }],
    });
  });

  test.each(["dry_run", "Dry Run", "explain", "consent-guard"])("refuses a CSV with the column %s", async (name) => {
    await using server = await start();
    const content = `db_id,resource_id,profile_id,channel,email,${name}\n1,26,p1,email,a@b,true\n`;
    const error = await server.read(content, { format: "csv" }).catch((error: unknown) => error);
    expect(error).toMatchObject({ message: `line 1: the column "${name}" is not known; remove it` });
    expect(await server.all()).toEqual([]);
  });
});

describe("CSV", () => {
  const csv = { format: "csv" } as const;

  test("types one channel by the schema", async () => {
    await using server = await start();
    const content = `db_id,resource_id,profile_id,phone,status,priority,cats,is_delete,custom_fields.size
1,26,p1,+79000000000,unsubscribed,0,news;tx,true,007
1,26,p1,79000000001,5,,,0,
1,26,p1,none,,,,,

1,26,"p
1",+7,,,,maybe,
1,26,p1,+7,,,,maybe,
1,26,p1,+7
1,26,p1,a"b"c,,,,,
`;
    const imported = await server.read(content, { ...csv, channel: "sms" });
    expect(imported).toEqual({
      ...{ read: 7, added: 2, kept: 0, refused: 5 },
      firstRefused: [
        { line: 4, message: 'field "phone": is not a phone number' },
        { line: 6, message: 'field "profile_id": must not hold white space' },
        { line: 8, message: 'field "is_delete": expected boolean, received string' },
        { line: 9, message: 'has 4 cells, and the header has 9; it is "1,26,p1,+7"' },
        {
          line: 10,
          message: 'a quote stands where none can, or is never closed; the line is "1,26,p1,a\\"b\\"c,,,,,"',
        },
      ],
    });
    expect(await server.all()).toMatchObject([
      {
        fields: { phone: "+79000000000" },
        status: "unsubscribed",
        priority: 0,
        cats: ["news", "tx"],
        is_delete: true,
        custom_fields: { size: "007" },
      },
      { fields: { phone: "79000000001" }, status: "suspended", priority: null, cats: [], is_delete: false },
    ]);
  });

  test.each([
    ["email", "email", "a@example.com", { email: "a@example.com" }],
    ["push", "provider,subscription_id", "google,007", { provider: "google", subscription_id: "007" }],
    ["telegram_bot", "cc_data.id", "-100123", { cc_data: { id: -100123 } }],
    ["whatsapp", "cc_data.phone", "+7900", { cc_data: { phone: "+7900" } }],
    ["viber", "phone", "+7900", { cc_data: { phone: "+7900" } }],
    ["max_bot", "cc_data.user,cc_data.chat", "7,x", { cc_data: { user: "7", chat: "x" } }],
  ])("%s", async (channel, columns, values, fields) => {
    await using server = await start();
    const content = `\uFEFFdb_id,resource_id,profile_id,${columns}\r\n1,26,p1,${values}\r\n`;
    expect(await server.read(content, { ...csv, channel })).toMatchObject({ added: 1, refused: 0 });
    expect(await server.all()).toMatchObject([{ channel, fields }]);
  });

  test("reads all channels, one per line", async () => {
    await using server = await start();
    const content =
      "db_id,resource_id,profile_id,channel,email,phone\n1,26,p1,email,a@b,\n1,26,p1,viber,,+7900\n1,26,p1,,a@b,\n";
    expect(await server.read(content, csv)).toMatchObject({
      added: 2,
      firstRefused: [{ line: 4, message: 'field "channel": is required' }],
    });
  });

  test("reads what a spreadsheet writes", async () => {
    await using server = await start();
    const content = [
      "sep=;",
      'DB_ID;Resource ID;profile_id;channel;email;status;"cats";is_delete;cc_data.id;custom_fields.Size',
      '1;26;p1;email;a@b;unsubscribed;"news;tx";TRUE;;1,000',
      "1.0;26;p1;email;b@b;1;;True;;x",
      "1;26;p1;telegram_bot;;;;0;-100;",
      "1.000;26;p1;email;c@b;;;FALSE;;",
      "1;26,0;p1;email;d@b;;;;;",
      "1;26;p1;telegram_bot;;;;;1.00E+09;",
    ];
    const { added, firstRefused } = await server.read(`${content.join("\r\n")}\r\n`, csv);
    expect(added).toBe(3);
    const hint = "looks like a spreadsheet number; format the column as text";
    expect(firstRefused).toEqual([
      { line: 6, message: `field "db_id": "1.000" ${hint}` },
      { line: 7, message: `field "resource_id": "26,0" ${hint}` },
      { line: 8, message: `field "cc_data.id": "1.00E+09" ${hint}` },
    ]);
    expect(await server.all()).toMatchObject([
      { fields: { email: "a@b" }, is_delete: true, cats: ["news", "tx"], custom_fields: { Size: "1,000" } },
      { fields: { email: "b@b" }, is_delete: true, status: "unsubscribed", custom_fields: { Size: "x" } },
      { fields: { cc_data: { id: -100 } }, is_delete: false },
    ]);
  });

  test.each([
    ["semicolons", "db_id;resource_id;profile_id;email\n1;26;p1;a@b\n"],
    ["tabs", "db_id\tresource_id\tprofile_id\temail\n1\t26\tp1\ta@b\n"],
    [
      "quoted names with commas",
      '"db_id";"resource_id";"profile_id";email;"custom_fields.a"\n1;26;p1;a@b;"x,y,z,w,v"\n',
    ],
    ["UTF-16", "\ufeffdb_id\tresource_id\tprofile_id\temail\r\n1\t26\tp1\ta@b\r\n"],
  ])("is separated by %s", async (name, content) => {
    await using server = await start();
    const bytes = Buffer.from(content, name === "UTF-16" ? "utf16le" : "utf8");
    expect(await server.read(bytes, { ...csv, channel: "email" })).toMatchObject({ added: 1, refused: 0 });
  });

  test("reports the line of a wrong encoding", async () => {
    await using server = await start();
    const header = Buffer.from("db_id,resource_id,profile_id,email,custom_fields.city\n1,26,p1,a@b,x\n1,26,p1,b@b,");
    const windows1251 = Buffer.from([0xcc, 0xee, 0xf1, 0xea, 0xe2, 0xe0, 0x0a]);
    expect(await server.read(Buffer.concat([header, windows1251]), { ...csv, channel: "email" })).toMatchObject({
      added: 1,
      firstRefused: [{ line: 3, message: expect.stringMatching(/^is not UTF-8/) }],
    });
    expect(await server.all()).toHaveLength(1);
  });

  test("stops at an unknown column and at a broken stream", async () => {
    await using server = await start();
    const error = await server.read("db_id,emial\n1,a\n", csv).catch((error: unknown) => error);
    expect(ReinstateError.is(error, "invalid_request")).toBe(true);
    expect(error).toMatchObject({ message: 'line 1: the column "emial" is not known; remove it' });
    const header = "db_id,resource_id,profile_id,channel,email,email\n1,26,p1,email,a@b,c@d\n";
    await expect(server.read(header, csv)).rejects.toThrow(
      "line 1: the columns email and email are both for email; keep one",
    );
    expect(await server.all()).toEqual([]);
    async function* broken() {
      yield "db_id,resource_id,profile_id,email\n";
      throw new Error("the disk is gone");
    }
    await expect(importSubscriptions(server.altcraft, broken(), csv)).rejects.toThrow("the disk is gone");
    await expect(importSubscriptions(server.altcraft, broken(), { format: "ndjson" })).rejects.toThrow(
      "the disk is gone",
    );
  });
});
