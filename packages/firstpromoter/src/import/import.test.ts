import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases, sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";
import { createFirstPromoter, importPromoters, type RefusedLine } from "../index.ts";

/** Streams a text in parts of random length. */
async function* makeStream(text: string | Uint8Array, size = 7_001) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe.each(ledgerDatabases)("import on $name", ({ open }) => {
  async function empty() {
    const database = await open();
    const host = await createTestHost({ databaseUrl: database.url });
    const { store, routes } = await createFirstPromoter(host);
    const { secret } = await host.keys.create({ vendor: "firstpromoter", account: "mine" });
    const headers = { authorization: `Bearer ${secret}`, "account-id": "mine" };
    // biome-ignore lint/suspicious/noExplicitAny: any response.
    const get = async (path: string): Promise<any> =>
      (await routes.fetch(new Request(`http://any.example/api/v2/company${path}`, { headers }))).json();
    const take = async (text: string | Uint8Array, format: "ndjson" | "csv", size?: number) => {
      const refused: RefusedLine[] = [];
      const onRefused = (line: RefusedLine) => refused.push(line);
      const report = await importPromoters(host, "mine", makeStream(text, size), format, { onRefused });
      expect(report.refused).toBe(refused.length);
      return { imported: report.imported, refused };
    };
    async function dispose() {
      await host.close();
      await database[Symbol.asyncDispose]();
    }
    return { host, store, get, take, [Symbol.asyncDispose]: dispose };
  }

  test("search finds every promoter of a large import", async () => {
    await using ours = await empty();
    const lines = Array.from({ length: 6_000 }, (_, n) =>
      JSON.stringify({ email: `p${n}@example.com`, name: `Ada ${n}`, custom_fields: { tier: `t${n}` } }),
    );
    await ours.take(lines.join("\n"), "ndjson");
    for (const n of [0, 2_999, 5_999]) {
      const { data } = await ours.get(`/promoters?q=p${n}@example.com`);
      expect(data.map(({ email }: { email: string }) => email)).toEqual([`p${n}@example.com`]);
    }
  });

  test("imports what GET /promoters returns unchanged", async () => {
    await using ours = await empty();
    await using theirs = await start("sqlite::memory:");
    const shown: { id: number }[] = [];
    for (const archived of ["no", "yes"]) {
      for (let page = 1; ; page++) {
        const { body } = await theirs.call("GET", `/promoters?filters[archived]=${archived}&per_page=100&page=${page}`);
        shown.push(...body.data);
        if (body.data.length < 100) break;
      }
    }
    expect(shown).toHaveLength(1_000);
    const { imported, refused } = await ours.take(shown.map((one) => JSON.stringify(one)).join("\n"), "ndjson");
    expect({ imported, refused }).toEqual({ imported: 1_000, refused: [] });
    type Shown = { promoter_campaigns: { id: number }[] };
    const withoutPlaceIds = ({ promoter_campaigns, ...rest }: Shown) => ({
      ...rest,
      promoter_campaigns: promoter_campaigns.map(({ id: _, ...place }) => place),
    });
    const there = (await theirs.call("GET", "/promoters?per_page=100")).body;
    const here = await ours.get("/promoters?per_page=100");
    // Archived promoters do not show their states, so they are imported as blocked.
    expect(here.data.map(withoutPlaceIds)).toEqual(there.data.map(withoutPlaceIds));
    expect(here.meta).toEqual(there.meta);
    const [next] = await ours.store.create("mine", [{ email: "next@example.com" }], 1);
    expect(next).toBeGreaterThan(1_000);
    expect((await ours.take(JSON.stringify(shown[0]), "ndjson")).refused[0]?.message).toContain("is in use");
  });

  test("rejects names that resemble a safety flag", async () => {
    await using ours = await empty();
    for (const name of ["dry_run", "dryRun", "Dry-Run", "explain", "consent_guard"]) {
      const lines = [
        { email: `a-${name}@example.com`, [name]: true },
        { email: `b-${name}@example.com`, custom_fields: { [name]: 1 } },
      ];
      const taken = await ours.take(lines.map((line) => JSON.stringify(line)).join("\n"), "ndjson");
      const message = `${name} is not supported in an item; remove it`;
      expect(taken).toEqual({ imported: 1, refused: [{ line: 1, message }] });
      const csv = `email,${name}\nc-${name}@example.com,true\n`;
      const error = await ours.take(csv, "csv").catch((error: unknown) => error);
      expect(error).toMatchObject({ issues: [{ path: name, message: expect.stringMatching(/remove it$/) }] });
    }
    expect((await ours.get("/promoters?per_page=100")).data).toHaveLength(5);
  });

  test("reports invalid lines with number and field, imports the rest", async () => {
    await using ours = await empty();
    await ours.store.create("other", [{ id: 77, email: "their@example.com" }], 1);
    const lines = [
      { id: 1, email: "One@Example.com", name: "Ada Lovelace", cust_id: "c1", unknown: true },
      "",
      "{ not json",
      { id: 2 },
      { id: 3, email: "one@example.com" },
      { id: 4, email: "four@example.com", cust_id: "c1" },
      { id: 1, email: "again@example.com" },
      { id: 77, email: "seven@example.com" },
      { email: "eight@example.com", joined_at: "yesterday" },
      { email: "nine@example.com", stats: { clicks_count: -1 } },
      { email: "ten@example.com", note: "a\0b" },
      "[1]",
      { email: "long@example.com", note: "x".repeat(1_100_000) },
      { email: "last@example.com", promoter_campaigns: [{ campaign_id: 9, state: "pending", ref_token: "t" }] },
      { email: "token@example.com", promoter_campaigns: [{ campaign_id: 9, state: "pending", ref_token: "t" }] },
    ];
    const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\r\n");
    const { imported, refused } = await ours.take(text, "ndjson", 10);
    expect(imported).toBe(2);
    expect(refused.map(({ line, message }) => `${line} ${message}`)).toEqual([
      expect.stringMatching(/^3 is not JSON: /),
      expect.stringMatching(/^4 email: /),
      "5 email: one@example.com has already been taken",
      "6 cust_id: c1 has already been taken",
      "7 id: 1 is in use",
      "8 id: 77 is in use",
      "9 joined_at: must be a time such as 2026-01-31T12:00:00Z",
      expect.stringMatching(/^10 stats.clicks_count: /),
      "11 note: must not hold the character zero",
      expect.stringMatching(/^12 the line: /),
      "13 is longer than 1048576 bytes",
      "15 ref_token: t has already been taken",
    ]);
    expect(await ours.get("/promoters/one@example.com?find_by=email")).toMatchObject({ id: 1, name: "Ada Lovelace" });
    expect((await ours.get("/promoters?filters[state]=pending")).data).toMatchObject([
      { email: "last@example.com", promoter_campaigns: [{ campaign_id: 9, campaign: { name: "Campaign 9" } }] },
    ]);
    expect((await ours.get("/promoters")).meta).toEqual({ pending_count: 1 });
  });

  test("reads columns in any order and spelling", async () => {
    await using ours = await empty();
    const table = [
      "\ufeffEmail;First Name;last-name;State;Joined At;Clicks;Ref ID;Archived At;Nonsense",
      "a@example.com;Ada;Lovelace;Pending;2024-05-01 10:00:00;7;ada;;x",
      'b@example.com;"Bob;by";Brown;;;;;2025-01-01T00:00:00Z;',
      "broken@example.com;Too;few",
      "c@example.com;C;C;melted;;;;;",
      "a@example.com;A;A;;;;;;",
    ].join("\n");
    const { imported, refused } = await ours.take(table, "csv", 3);
    expect(imported).toBe(2);
    expect(refused.map(({ line }) => line)).toEqual([4, 5, 6]);
    expect(refused[0]?.message).toBe('has 3 cells, and the header has 9; it is "broken@example.com;Too;few"');
    expect(refused[1]?.message).toContain("promoter_campaigns.0.state");
    expect(await ours.get("/promoters/ada?find_by=ref_token")).toMatchObject({
      name: "Ada Lovelace",
      joined_at: "2024-05-01T10:00:00Z",
      stats: { clicks_count: 7 },
      promoter_campaigns: [{ state: "pending" }],
    });
    expect((await ours.get("/promoters?filters[archived]=true")).data).toMatchObject([{ name: "Bob;by Brown" }]);
    await expect(ours.take("name,id\nA,1", "csv")).rejects.toThrow(
      "line 1: the column email is missing; the columns are name, id",
    );
    const latin = Buffer.from("email,name\nd@example.com,J\u00fcrgen\n", "latin1");
    expect((await ours.take(latin, "csv")).refused).toEqual([
      { line: 2, message: expect.stringMatching(/^is not UTF-8/) },
    ]);
  });

  test("reads quotes, foreign separators and cells with line breaks", async () => {
    await using ours = await empty();
    const take = async (table: string) => {
      const { imported, refused } = await ours.take(table, "csv", 7);
      return { imported, refused: refused.map(({ line, message }) => `${line} ${message}`) };
    };
    const note = async (email: string) => (await ours.get(`/promoters/${email}?find_by=email`)).note;
    const quote = (line: string) => `a quote stands where none can, or is never closed; the line is ${line}`;
    expect(await take("email,note\na1@x.com,hello; world\na2@x.com,a\tb\n")).toEqual({ imported: 2, refused: [] });
    expect([await note("a1@x.com"), await note("a2@x.com")]).toEqual(["hello; world", "a\tb"]);
    expect(await take("email;address\r\nb1@x.com;Main St 1, Berlin\r\n")).toEqual({ imported: 1, refused: [] });
    expect((await ours.get("/promoters/b1@x.com?find_by=email")).profile.address).toBe("Main St 1, Berlin");
    // A record is reported with its first line.
    const many = 'email,clicks,note\nc1@x.com,1,"one\ntwo ""2""\nthree"\n\nc2@x.com,x,"a\nb"\nc3@x.com,3,\n';
    expect(await take(many)).toEqual({ imported: 2, refused: [expect.stringMatching(/^6 stats.clicks_count: /)] });
    expect(await note("c1@x.com")).toBe('one\ntwo "2"\nthree');
    expect(await take('email,note\nd1@x.com,5" nail\nd2@x.com,ok\n')).toEqual({
      imported: 1,
      refused: [`2 ${quote('"d1@x.com,5\\" nail"')}`],
    });
    expect(await take('email,note\ne1@x.com,"never closed\ne2@x.com,ok\n')).toEqual({
      imported: 1,
      refused: [`2 ${quote('"e1@x.com,\\"never closed"')}`],
    });
    // The next quote closes the cell, and the text between is not lost.
    expect(await take('email,note\nf1@x.com,"oops\nf2@x.com,ok\nf3@x.com,5",z\nf4@x.com,"fine"\n')).toEqual({
      imported: 2,
      refused: [`2 ${quote('"f1@x.com,\\"oops"')}`, expect.stringMatching(/^4 /)],
    });
    expect(await take("email,note\rg1@x.com,x\r")).toEqual({ imported: 1, refused: [] });
    const long = Array.from({ length: 4_000 }, (_, index) =>
      index === 0 ? 'h0@x.com,"oops' : `h${index}@x.com,${"n".repeat(400)}`,
    );
    const { refused, imported } = await ours.take(["email,note", ...long].join("\n"), "csv", 65_536);
    expect({ refused, imported }).toEqual({
      imported: 3_999,
      refused: [{ line: 2, message: quote('"h0@x.com,\\"oops"') }],
    });
  });

  test.each([
    ["promoter_id,id,email\n1,2,a@x.com\n", "line 1: the columns promoter_id and id are both for id; keep one"],
    ["email,created_at,joined_at\na@x.com,,\n", "line 1: the columns created_at and joined_at are both for joined_at"],
    ["email,status,State\na@x.com,,\n", "line 1: the columns status and State are both for campaign.state"],
    ["email,Ref ID,ref_token\na@x.com,,\n", "line 1: the columns Ref ID and ref_token are both for campaign.ref_token"],
    ["Email,email\na@x.com,b@x.com\n", "line 1: the columns Email and email are both for email"],
    ["email,First Name,first-name\na@x.com,,\n", "both for profile.first_name"],
  ])("rejects columns that collide: %j", async (table, message) => {
    await using ours = await empty();
    await expect(ours.take(table, "csv")).rejects.toThrow(message);
    expect((await ours.get("/promoters")).data).toEqual([]);
  });

  test("rejects numbers that a spreadsheet changed", async () => {
    await using ours = await empty();
    const table = [
      "id;email;clicks;campaign_id;constructor",
      "1.23E+02;a@x.com;;;",
      "1.000;b@x.com;;;",
      '7;c@x.com;"1,000";;',
      "8;d@x.com;;9.50;",
      "9.0;e@x.com;1e+05; 5 ;",
    ].join("\n");
    const hint = "looks like a spreadsheet number; format the column as text";
    expect(await ours.take(table, "csv")).toEqual({
      imported: 1,
      refused: [
        { line: 2, message: `id: "1.23E+02" ${hint}` },
        { line: 3, message: `id: "1.000" ${hint}` },
        { line: 4, message: `stats.clicks_count: "1,000" ${hint}` },
        { line: 5, message: `campaign.campaign_id: "9.50" ${hint}` },
      ],
    });
    expect(await ours.get("/promoters/9")).toMatchObject({ id: 9, stats: { clicks_count: 100_000 } });
  });

  test("reports an unclosed quote early in a long file", async () => {
    await using ours = await empty();
    const enough = new AbortController();
    let lines = 0;
    async function* file() {
      yield Buffer.from('email,note\na@x.com,"oops\n');
      while (lines < 200_000) yield Buffer.from(`b${++lines}@x.com,${"n".repeat(60)}\n`);
    }
    const refused: number[] = [];
    const importing = importPromoters(ours.host, "mine", file(), "csv", {
      onRefused({ line }) {
        refused.push(line);
        enough.abort(new Error("enough"));
      },
      signal: enough.signal,
    });
    await expect(importing).rejects.toThrow("enough");
    expect(refused).toEqual([2]);
    expect(lines).toBeLessThan(20_000);
  });

  test("reads the words and times of exports, rejects impossible days", async () => {
    await using ours = await empty();
    const table = [
      "email,state,joined_at,subscribed_to_email,invoice_details_status",
      "a@x.com,Approved,2024-05-01 10:00:00,no,Rejected",
      "b@x.com,denied,2024-05-01T12:00:00+02:00,yes,",
      "c@x.com,,2024-02-31,,",
      "d@x.com,,05/01/2024 10:00,,",
      "e@x.com,,1,,",
      "f@x.com,,,perhaps,",
    ].join("\n");
    const { imported, refused } = await ours.take(table, "csv");
    expect({ imported, refused: refused.map(({ line, message }) => [line, message.split(":")[0]]) }).toEqual({
      imported: 2,
      refused: [...[4, 5, 6].map((line) => [line, "joined_at"]), [7, "subscribed_to_email"]],
    });
    const [b, a] = (await ours.get("/promoters")).data;
    expect([a, b].map(({ joined_at, promoter_campaigns }) => [joined_at, promoter_campaigns[0].state])).toEqual([
      ["2024-05-01T10:00:00Z", "accepted"],
      ["2024-05-01T10:00:00Z", "rejected"],
    ]);
    expect(a.invoice_details_status).toBe("denied");
    expect((await ours.get("/promoters?filters[subscribed_to_email]=no")).data).toMatchObject([{ email: "a@x.com" }]);
  });

  test("imports fields that are shown but never changed", async () => {
    await using ours = await empty();
    const given = {
      id: 7,
      email: "w@x.com",
      joined_at: "2024-01-01T00:00:00Z",
      first_event_at: "2024-02-02T00:00:00Z",
      is_confirmed: false,
      is_customized: true,
      track_ad_traffic: true,
      auth_provider: "google",
      promoter_campaigns: [
        {
          id: 5,
          campaign_id: 900,
          state: "accepted",
          created_at: "2025-06-06T06:06:06Z",
          campaign: { id: 900, name: "C", color: "#ffffff" },
          coupon: "X",
          ref_token: "w",
        },
      ],
    };
    expect(await ours.take(JSON.stringify(given), "ndjson")).toEqual({ imported: 1, refused: [] });
    const { promoter_campaigns, ...rest } = given;
    const { id: _, ...place } = promoter_campaigns[0]!;
    const shown = await ours.get("/promoters/7");
    expect(shown).toMatchObject(rest);
    expect(shown.promoter_campaigns[0]).toMatchObject(place);
  });

  test.each(["ndjson", "csv"] as const)("reports a failed source, and closes it early: %s", async (format) => {
    await using ours = await empty();
    await using folder = sqliteDatabase();
    const import_ = (source: AsyncIterable<Uint8Array>, options = {}) =>
      importPromoters(ours.host, "mine", source, format, options);
    await expect(import_(createReadStream(folder.folder))).rejects.toThrow("EISDIR");
    async function* breaking() {
      yield Buffer.from("email,note\nx@x.com,aaaa\n");
      throw new Error("the disk is gone");
    }
    await expect(import_(breaking())).rejects.toThrow("the disk is gone");
    await expect(import_(Readable.from(breaking()))).rejects.toThrow("the disk is gone");
    // A header without an address ends a CSV; a signal ends either format.
    const lines = format === "csv" ? "id,name\n1,x\n" : '{"email":"y@x.com"}\n';
    const source = Readable.from(
      (async function* () {
        for (;;) yield Buffer.from(lines);
      })(),
    );
    const ending = import_(source, format === "csv" ? {} : { signal: AbortSignal.abort(new Error("enough")) });
    await expect(ending).rejects.toThrow(format === "csv" ? "the column email is missing" : "enough");
    expect(source.destroyed).toBe(true);
  });

  test("imports in sets, and keeps them if the stream fails", async () => {
    await using ours = await empty();
    const size = 3_210;
    async function* file(until = Number.POSITIVE_INFINITY) {
      for (let line = 1; line <= size; line++) {
        if (line > until) throw new Error("the disk is gone");
        yield Buffer.from(`{"email":"p${line}@example.com"}\n`);
      }
    }
    const seen: number[] = [];
    const broken = importPromoters(ours.host, "mine", file(1_700), "ndjson", {
      onProgress: ({ imported }) => seen.push(imported),
    });
    await expect(broken).rejects.toThrow("the disk is gone");
    expect(seen).toEqual([500, 1_000, 1_500]);
    expect(await importPromoters(ours.host, "mine", file(), "ndjson")).toEqual({
      imported: size - 1_500,
      refused: 1_500,
    });
    const stopped = importPromoters(ours.host, "mine", file(), "ndjson", {
      signal: AbortSignal.abort(new Error("enough")),
    });
    await expect(stopped).rejects.toThrow("enough");
  });
});
