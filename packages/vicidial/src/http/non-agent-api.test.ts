import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { getRequestListener } from "@hono/node-server";
import { type Log, silentLog } from "@reinstate/batch-core";
import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../create.ts";
import { dialerTables } from "../fixtures/dialer-tables.ts";
import { emptiedDatabase } from "../fixtures/emptied-database.test.fixture.ts";
import { insertRows } from "../fixtures/insert-rows.ts";
import { leadTables } from "../fixtures/vicidial-tables.ts";
import { makeLead } from "../leads/make-lead.ts";
import type { VicidialOptions } from "../options.ts";

const page = "http://pbx.example/vicidial/non_agent_api.php";
const user = {
  user: "6666",
  pass: "1234",
  user_group: "ADMIN",
  user_level: 9,
  active: "Y",
  modify_leads: "1",
  vdc_agent_api_access: "1",
  api_allowed_functions: " lead_dearchive lead_search ",
};
const rightCall = { source: "test", user: "6666", pass: "1234", function: "lead_dearchive", lead_id: "274071" };
const wrong = { ...rightCall, pass: "12345" };
const success = "SUCCESS: lead_dearchive LEAD DE-ARCHIVED: 6666|274071|1|1\n";

const vicidialDatabase = emptiedDatabase();
const { fill, readRows: rowsOf } = vicidialDatabase;

interface Setting {
  user?: object;
  /** Of `system_settings`. */
  settings?: object;
  apiList?: string;
  entries?: [list: string, address: string][];
  options?: VicidialOptions;
}

/** A call centre with one user, three archived leads, one of which is live too. */
async function callCentre({ user: change, settings = {}, apiList = "", entries = [], options }: Setting = {}) {
  await fill("system_settings", [{ allow_ip_lists: "0", ...settings }]);
  await fill("vicidial_users", [{ ...user, ...change }]);
  await fill("vicidial_user_groups", [
    { user_group: "ADMIN", allowed_campaigns: " -ALL-CAMPAIGNS- - -", api_ip_list: apiList },
    { user_group: "SALES", allowed_campaigns: " SALES -", api_ip_list: apiList },
    { user_group: "NONE", allowed_campaigns: " EMPTY -", api_ip_list: apiList },
  ]);
  await fill(
    "vicidial_ip_list_entries",
    entries.map(([ip_list_id, ip_address]) => ({ ip_list_id, ip_address })),
  );
  await fill("vicidial_lists", [{ list_id: 7, campaign_id: "SALES", active: "Y" }]);
  await fill("vicidial_list_archive", [
    makeLead(274071, { list_id: 7 }),
    makeLead(274072, { list_id: 8 }),
    makeLead(274073, { list_id: 7 }),
  ]);
  await fill("vicidial_list", [makeLead(274073, { list_id: 9, status: "SALE" })]);
  const logged: string[] = [];
  const log = { ...silentLog, error: (fields: { error?: string }) => void logged.push(String(fields.error)) };
  const host = await createTestHost({ log: log as Log });
  const { routes, close } = await createVicidial(host, { url: vicidialDatabase.url, ...options });
  return {
    routes,
    /** The errors in the gateway's own log. */
    logged,
    submit: (items: number[]) =>
      host.batches.submit({
        operation: "vicidial.leads.dearchive",
        items,
        params: { insert_leads: true, delete_leads: true },
        actor: "a key",
      }),
    /** The query of a GET, or the body of a POST. */
    async ask(query: Record<string, string>, { address, init }: { address?: string; init?: RequestInit } = {}) {
      const request = new Request(`${page}?${new URLSearchParams(query)}`, init);
      const response = await routes.fetch(request, { incoming: { socket: { remoteAddress: address } } });
      return { response, text: await response.text() };
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await close();
    },
  };
}

/** The text of one call in a call centre of its own. */
async function readAnswer(
  query: Record<string, string>,
  setting: Setting & { address?: string } = {},
): Promise<string> {
  await using centre = await callCentre(setting);
  return (await centre.ask({ ...rightCall, ...query }, setting)).text;
}

describe("one lead comes back", () => {
  const form = new FormData();
  for (const [name, value] of Object.entries(rightCall)) form.set(name, value);

  test.each<[string, Record<string, string>, RequestInit | undefined]>([
    ["the query of a GET", rightCall, undefined],
    ["the form of a POST", {}, { method: "POST", body: new URLSearchParams(rightCall) }],
    ["a form in parts", {}, { method: "POST", body: form }],
  ])("by %s", async (_name, query, init) => {
    await using centre = await callCentre();
    const { response, text } = await centre.ask(query, init && { init });
    expect([response.status, response.headers.get("content-type"), text]).toEqual([
      200,
      "text/html; charset=utf-8",
      success,
    ]);
    expect(await rowsOf("vicidial_list")).toMatchObject([{ lead_id: 274071 }, { lead_id: 274073 }]);
  });

  test("prefers the query and the last of repeated values", async () => {
    await using centre = await callCentre();
    const init = { method: "POST", body: new URLSearchParams({ ...rightCall, lead_id: "99" }) };
    expect((await centre.ask({ lead_id: "274071" }, { init })).text).toBe(success);
    const twice = new Request(`${page}?${new URLSearchParams({ ...rightCall, lead_id: "99" })}&lead_id=5`);
    expect(await (await centre.routes.fetch(twice)).text()).toMatch(/NOT FOUND: 6666\|5\|/);
  });

  test("of a campaign that the group may see", async () => {
    expect(await readAnswer({}, { user: { user_group: "SALES" } })).toBe(success);
  });
});

describe("safety flags", () => {
  test("rejects similar flags in query, form, file names and headers", async () => {
    await using centre = await callCentre();
    const file = new FormData();
    for (const [name, value] of Object.entries(rightCall)) file.set(name, value);
    file.set("dryRun", new Blob(["true"]), "true.txt");
    const calls: [Record<string, string>, RequestInit | undefined][] = [
      [{ ...rightCall, dry_run: "true" }, undefined],
      [{ ...rightCall, Explain: "false" }, undefined],
      [{}, { method: "POST", body: new URLSearchParams({ ...rightCall, "dry_run[]": "1" }) }],
      [{}, { method: "POST", body: file }],
      [rightCall, { headers: { "Dry-Run": "1" } }],
    ];
    for (const [query, init] of calls) {
      const { text } = await centre.ask(query, init && { init });
      expect(text).toMatch(/^ERROR: lead_dearchive PARAMETER NOT SUPPORTED: 6666\|(dry|explain)/i);
    }
    expect(await rowsOf("vicidial_list")).toMatchObject([{ lead_id: 274073 }]);
  });
});

describe("VICIdial's log", () => {
  test("has the call as VICIdial writes it, without the password", async () => {
    await using centre = await callCentre();
    const init = { method: "POST", body: new URLSearchParams({ pass: "1234", agent_pass: "5678", lead_id: "274071" }) };
    const { pass: _, lead_id: __, ...query } = rightCall;
    await centre.ask({ ...query, agent_user: "10-0_1!é" }, { init, address: "10.9.9.9" });
    await centre.ask({ ...rightCall, agent_user: "a".repeat(30) }, { address: "::ffff:10.9.9.9" });
    const common = { user: "6666", api_script: "non-agent", function: "lead_dearchive", value: "" };
    expect(await rowsOf("vicidial_api_log")).toMatchObject([
      {
        ...common,
        source: "test",
        result: "SUCCESS",
        result_reason: "lead_dearchive LEAD DE-ARCHIVED",
        agent_user: "10-0_1",
        data: "6666|274071|1|1",
      },
      {
        ...common,
        result: "ERROR",
        result_reason: "lead_dearchive ARCHIVED LEAD NOT FOUND",
        agent_user: "a".repeat(20),
        data: "6666|274071||",
      },
    ]);
    const asked = `${page}?source=test&user=6666&function=lead_dearchive`;
    const agent = encodeURIComponent("10-0_1!é").replace("!", "%21");
    expect(await rowsOf("vicidial_api_urls")).toMatchObject([
      {
        remote_ip: "10.9.9.9",
        url: `${asked}&agent_user=${agent}&GET-AND-POST=Y&pass=XXXX&agent_pass=XXXX&lead_id=274071`,
      },
      {
        remote_ip: "10.9.9.9",
        url: `${page}?source=test&user=6666&pass=XXXX&function=lead_dearchive&lead_id=274071&agent_user=${"a".repeat(30)}`,
      },
    ]);
    // The page and the server are named once and by number.
    const [[server], [url]] = [await rowsOf("vicidial_webservers"), await rowsOf("vicidial_urls")];
    expect([await rowsOf("vicidial_webservers"), await rowsOf("vicidial_urls")]).toMatchObject([
      [{ webserver: "pbx.example", hostname: hostname() }],
      [{ url: page }],
    ]);
    for (const row of await rowsOf("vicidial_api_log")) {
      expect([row.webserver, row.api_url]).toEqual([server?.webserver_id, url?.url_id]);
    }
  });

  test("names the user in the row for administrators", async () => {
    await using centre = await callCentre();
    await centre.ask(rightCall);
    await centre.submit([274072]);
    const event_code = "CAMPAIGN LEAD DE-ARCHIVING";
    expect(await rowsOf("vicidial_admin_log")).toMatchObject([
      { user: "6666", event_code },
      { user: "VDAD", event_code },
    ]);
  });

  test.each<[string, Record<string, string>, Setting]>([
    ["a wrong password", wrong, {}],
    ["no login", { function: "lead_dearchive" }, {}],
    ["a locked user", rightCall, { user: { failed_login_count: 10, last_login_date: "2999-01-01 00:00:00" } }],
    ["a refused address", rightCall, { settings: { allow_ip_lists: "1" }, apiList: "OFFICE" }],
  ])("has no row for %s", async (_name, query, setting) => {
    await using centre = await callCentre(setting);
    await centre.ask(query);
    expect([await rowsOf("vicidial_api_log"), await rowsOf("vicidial_api_urls")]).toEqual([[], []]);
  });

  test.each([
    [{ source: "x" }, { result: "ERROR", result_reason: "Invalid Source", data: "" }],
    [{ function: "add_lead" }, { function: "add_lead", result_reason: "NO FUNCTION SPECIFIED", data: "" }],
    [{ lead_id: "274073" }, { result_reason: "lead_dearchive NON-ARCHIVED LEAD FOUND", data: "6666|274073|7" }],
  ])("tells of %j why it was refused", async (change, row) => {
    await readAnswer(change);
    expect(await rowsOf("vicidial_api_log")).toMatchObject([row]);
  });
});

describe("refused in VICIdial's words:", () => {
  test.each<[string, Record<string, string>, Setting, string]>([
    ["a wrong password", wrong, {}, "ERROR: Login incorrect, please try again: |6666|12345|BAD|\n"],
    ["an unknown user", { user: "absent" }, {}, "ERROR: Login incorrect, please try again: |absent|1234|BAD|\n"],
    [
      "a level that is no level of the API",
      {},
      { user: { user_level: 6 } },
      "ERROR: Login incorrect, please try again: |6666|1234|BAD|\n",
    ],
    [
      "an unknown function without a login",
      { user: "", pass: "", function: "add_lead" },
      {},
      "ERROR: Login incorrect, please try again: |||BAD|\n",
    ],
    ["an unknown function", { function: "add_lead" }, {}, "ERROR: NO FUNCTION SPECIFIED\n"],
    ["a short source", { source: "t!" }, {}, "ERROR: Invalid Source - t\nERROR: Invalid Source: |t|\n"],
    [
      "a function that is not allowed",
      {},
      { user: { api_allowed_functions: " lead_search " } },
      "ERROR: auth USER DOES NOT HAVE PERMISSION TO USE THIS FUNCTION: |6666|lead_dearchive|\n",
    ],
    [
      "a level that is too low",
      {},
      { user: { user_level: 7 } },
      "ERROR: lead_dearchive USER DOES NOT HAVE PERMISSION TO MODIFY LEAD INFO: |6666|0|\n",
    ],
    ...["27e4", "274.071", "274071;dry_run=1", "+274071", "27 4071", "٢٧٤٠٧١"].map(
      (lead_id): [string, Record<string, string>, Record<string, string>, string] => [
        `the id ${lead_id}`,
        { lead_id },
        {},
        "ERROR: lead_dearchive INVALID SEARCH PARAMETERS: 6666|\n",
      ],
    ),
    ["no id", { lead_id: "abc" }, {}, "ERROR: lead_dearchive INVALID SEARCH PARAMETERS: 6666|\n"],
    [
      "a long id",
      { lead_id: "123456789012" },
      {},
      "ERROR: lead_dearchive INVALID SEARCH PARAMETERS: 6666|123456789012\n",
    ],
    [
      "a lead that is not there, with all that was searched by",
      { lead_id: "1", stage: "Up-2_b 1!é", search_location: "LIST_1x" },
      {},
      "ERROR: lead_dearchive ARCHIVED LEAD NOT FOUND: 6666|1|Up-2_b1|LIST\n",
    ],
    [
      "a lead of another campaign",
      { lead_id: "274072" },
      { user: { user_group: "SALES" } },
      "ERROR: lead_dearchive ARCHIVED LEAD NOT FOUND: 6666|274072||\n",
    ],
    [
      "a group whose campaigns have no lists",
      {},
      { user: { user_group: "NONE" } },
      "ERROR: lead_dearchive ARCHIVED LEAD NOT FOUND: 6666|274071||\n",
    ],
    [
      "a lead that is live, with the list that it was archived from",
      { lead_id: "274073" },
      {},
      "ERROR: lead_dearchive NON-ARCHIVED LEAD FOUND: 6666|274073|7\n",
    ],
    [
      "a call outside of the hours",
      {},
      { options: { dearchiveHours: "outside 00:00-24:00 mon-sun" } },
      "ERROR: lead_dearchive LEAD INSERT FAILED: 6666|274071|7\n",
    ],
  ])("%s", async (_name, query, setting, text) => {
    expect(await readAnswer(query, setting)).toBe(text);
    expect(await rowsOf("vicidial_list")).toMatchObject([{ lead_id: 274073 }]);
  });

  test("a lead in refused tables, and logs the failure", async () => {
    await vicidialDatabase.admin.query(
      "CREATE TRIGGER busy BEFORE INSERT ON vicidial_list_archive FOR EACH ROW SET NEW.comments = 'x'",
    );
    await using centre = await callCentre();
    const { response, text } = await centre
      .ask(rightCall)
      .finally(() => vicidialDatabase.admin.query("DROP TRIGGER busy"));
    expect(text).toBe("ERROR: lead_dearchive LEAD INSERT FAILED: 6666|274071|7\n");
    expect(response.headers.get("x-reinstate-batch")).not.toBeNull();
    expect(await rowsOf("vicidial_list")).toMatchObject([{ lead_id: 274073 }]);
    const row = { result: "ERROR", result_reason: "lead_dearchive LEAD INSERT FAILED", data: "6666|274071|7" };
    expect(await rowsOf("vicidial_api_log")).toMatchObject([row]);
  });

  test.each(["vicidial_list_archive", "vicidial_list"])(
    "a lead of which nothing is known without %s",
    async (table) => {
      await using centre = await callCentre();
      await vicidialDatabase.admin.query(`RENAME TABLE ${table} TO hidden`);
      const { response, text } = await centre
        .ask(rightCall)
        .finally(() => vicidialDatabase.admin.query(`RENAME TABLE hidden TO ${table}`));
      expect([response.status, text]).toEqual([200, "ERROR: lead_dearchive LEAD INSERT FAILED: 6666|274071|\n"]);
      expect(centre.logged).toContainEqual(expect.stringMatching(`${table}' doesn't exist`));
      const row = { result: "ERROR", result_reason: "lead_dearchive LEAD INSERT FAILED", data: "6666|274071|" };
      expect(await rowsOf("vicidial_api_log")).toMatchObject([row]);
      expect(await rowsOf("vicidial_list_archive")).toHaveLength(3);
    },
  );

  test.each(["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])("the method %s", async (method) => {
    await using centre = await callCentre();
    const { response, text } = await centre.ask(rightCall, { init: { method } });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, POST"]);
    if (method !== "HEAD") expect(text).toBe(`ERROR: The method ${method} is not allowed; use GET or POST\n`);
    expect(await rowsOf("vicidial_list_archive")).toHaveLength(3);
  });

  test("everybody, where passwords are kept as hashes", async () => {
    expect(await readAnswer({}, { settings: { pass_hash_enabled: "1" } })).toMatch(/Login incorrect/);
  });
});

describe("failed logins", () => {
  const longAgo = "2001-01-01 00:00:01";
  const account = async () => {
    const [rows] = await vicidialDatabase.admin.query<RowDataPacket[]>(
      `SELECT failed_login_count AS failed, last_ip AS last, failed_login_attempts_today AS attempts,
         failed_login_count_today AS count, failed_last_ip_today AS address, failed_last_type_today AS type, last_login_date = '${longAgo}' AS old,
         last_login_date >= NOW() - INTERVAL 10 MINUTE AS fresh FROM vicidial_users`,
    );
    const [{ failed, last, attempts, count, address, type, old, fresh }] = rows as [RowDataPacket];
    return { failed, last, today: [attempts, count, address, type], date: old ? "old" : fresh ? "now" : "another" };
  };
  const address = "10.9.9.9";
  const bad = "ERROR: Login incorrect, please try again: |6666|12345|BAD|\n";
  const lock = "ERROR: Too many login attempts, try again in 15 minutes: |6666|LOCK|\n";

  test("lock the user at the tenth within 15 minutes", async () => {
    await using centre = await callCentre();
    for (let failed = 1; failed <= 10; failed++) {
      expect((await centre.ask(wrong, { address })).text).toBe(bad);
      expect(await account()).toEqual({ failed, last: "", today: [failed, failed, address, "aBAD"], date: "old" });
    }
    // No login was dated in the last quarter of an hour: the count begins anew, and from then on it locks.
    for (let failed = 1; failed <= 10; failed++) {
      expect((await centre.ask(wrong, { address })).text).toBe(bad);
      const today = [10 + failed, 10 + failed, address, "aBAD"];
      expect(await account()).toEqual({ failed, last: "", today, date: "now" });
    }
    for (const query of [wrong, rightCall]) expect((await centre.ask(query, { address: "::1" })).text).toBe(lock);
    expect(await account()).toEqual({ failed: 10, last: "", today: [22, 20, "::1", "aLOCK"], date: "now" });
  });

  test("are reset by a successful login", async () => {
    await using centre = await callCentre({ user: { failed_login_count: 12 } });
    expect((await centre.ask({ ...rightCall, lead_id: "1" }, { address })).text).toMatch(/NOT FOUND/);
    expect(await account()).toEqual({ failed: 0, last: address, today: [0, 0, "", ""], date: "now" });
  });

  test("at the same moment do not undo the lock", async () => {
    await using centre = await callCentre({ user: { failed_login_count: 9 } });
    await vicidialDatabase.admin.query("UPDATE vicidial_users SET last_login_date = NOW()");
    await Promise.all(Array.from({ length: 12 }, () => centre.ask(wrong)));
    expect(await account()).toMatchObject({ failed: 10, last: "", date: "now" });
  });

  test("are those of a level that is too low, too", async () => {
    await readAnswer({}, { user: { user_level: 6 } });
    expect(await account()).toEqual({ failed: 1, last: "", today: [1, 1, "", "aBAD"], date: "old" });
  });

  test("do not count towards the lock from a refused address", async () => {
    await readAnswer({}, { user: { failed_login_count: 3 }, settings: { allow_ip_lists: "1" }, apiList: "OFFICE" });
    expect(await account()).toEqual({ failed: 3, last: "", today: [1, 0, "", "aIPBLOCK"], date: "old" });
  });
});

describe("use_non_latin", () => {
  const names = { source: "tést!", user: "Жан-1_", pass: "пароль_ü-1 !", agent_user: "Аня-1!", lead_id: "1" };
  const known = { user: { user: "Жан-1_", pass: "пароль_ü-1" } };

  test.each<[string | null, string]>([
    ["1", "ERROR: lead_dearchive ARCHIVED LEAD NOT FOUND: Жан-1_|1||\n"],
    ["0", "ERROR: Login incorrect, please try again: |-1_|_-1|BAD|\n"],
    [null, "ERROR: Login incorrect, please try again: |-1_|_-1|BAD|\n"],
  ])("of %j decides which letters names keep", async (use_non_latin, text) => {
    expect(await readAnswer(names, { settings: { use_non_latin }, ...known })).toBe(text);
  });

  test.each([
    [{}, "1", { user: "Жан-1_", source: "tést", agent_user: "Аня-1", data: "Жан-1_|1||" }],
    // VICIdial counts the bytes of a source, of which it asks for two.
    [{ source: "é" }, "1", { source: "é", data: "Жан-1_|1||" }],
    [{ user: "6666é" }, "0", { user: "6666", source: "tst", agent_user: "-1", data: "6666|1||" }],
    [{ user: "6666é", source: "é" }, "0", { source: "", result_reason: "Invalid Source" }],
  ])("decides which letters the log shows: %j with %s", async (change, use_non_latin, row) => {
    const account = use_non_latin === "1" ? known : { user: { pass: "_-1" } };
    await readAnswer({ ...names, pass: account.user.pass, ...change }, { settings: { use_non_latin }, ...account });
    expect(await rowsOf("vicidial_api_log")).toMatchObject([row]);
  });
});

describe("lists of addresses", () => {
  const blocked = (address: string) => `ERROR: Your IP Address is not allowed: ${address}: ||IPBLOCK|\n`;
  const on = { allow_ip_lists: "1" };
  const black = { ...on, system_ip_blacklist: "BLACK" };

  test.each<[string, Setting, string, boolean]>([
    ["that are not in use", { apiList: "OFFICE" }, "10.9.9.9", true],
    ["with the address", { settings: on, apiList: "OFFICE", entries: [["OFFICE", "10.9.9.9"]] }, "10.9.9.9", true],
    ["with its class C", { settings: on, apiList: "OFFICE", entries: [["OFFICE", "10.9.9.x"]] }, "10.9.9.200", true],
    ["with another class C", { settings: on, apiList: "OFFICE", entries: [["OFFICE", "10.9.9.x"]] }, "10.9.8.9", false],
    ["with the beginning", { settings: on, apiList: "OFFICE", entries: [["OFFICE", "10.9.9.9"]] }, "10.9.9.99", false],
    ["of another name", { settings: on, apiList: "OFFICE", entries: [["HOME", "10.9.9.9"]] }, "10.9.9.9", false],
    ["without entries", { settings: on, apiList: "OFFICE" }, "10.9.9.9", false],
    ["of no name", { settings: on, entries: [["", "10.9.9.9"]] }, "10.9.9.9", true],
    ["of the whole system against it", { settings: black, entries: [["BLACK", "10.9.9.x"]] }, "10.9.9.9", false],
    ["of the whole system against others", { settings: black, entries: [["BLACK", "10.9.8.x"]] }, "10.9.9.9", true],
    [
      "for it and against it",
      {
        settings: black,
        apiList: "OFFICE",
        entries: [
          ["OFFICE", "10.9.9.9"],
          ["BLACK", "10.9.9.9"],
        ],
      },
      "10.9.9.9",
      false,
    ],
    [
      "that the user ignores",
      { settings: black, apiList: "OFFICE", entries: [["BLACK", "10.9.9.9"]], user: { ignore_ip_list: "1" } },
      "10.9.9.9",
      true,
    ],
    ["of IPv6", { settings: on, apiList: "OFFICE", entries: [["OFFICE", "2001:db8::7"]] }, "2001:db8::7", true],
  ])("%s", async (_name, setting, address, allowed) => {
    expect(await readAnswer({}, { ...setting, address })).toBe(allowed ? success : blocked(address));
  });

  test.each([
    [{ settings: on, apiList: "OFFICE" }, blocked("")],
    [{ settings: black }, blocked("")],
    [{ settings: on }, success],
  ])("refuse who comes from nowhere known, where there is one: %j", async (setting, text) => {
    expect(await readAnswer({}, setting)).toBe(text);
  });

  test("refuse everybody where their entries cannot be read", async () => {
    await vicidialDatabase.admin.query("RENAME TABLE vicidial_ip_list_entries TO vicidial_ip_list_entries_away");
    try {
      await using centre = await callCentre({ settings: black });
      expect((await centre.ask(rightCall, { address: "10.9.9.9" })).text).toBe(blocked("10.9.9.9"));
    } finally {
      await vicidialDatabase.admin.query("RENAME TABLE vicidial_ip_list_entries_away TO vicidial_ip_list_entries");
    }
  });

  test("are checked only after a correct login", async () => {
    expect(await readAnswer(wrong, { settings: on, apiList: "OFFICE", address: "10.9.9.9" })).toMatch(
      /Login incorrect/,
    );
  });

  test("see the address of the connection", async () => {
    const entries: [string, string][] = [["OFFICE", "127.0.0.1"]];
    await using centre = await callCentre({ settings: on, apiList: "OFFICE", entries });
    const server = createServer(getRequestListener(centre.routes.fetch));
    // By IPv6 too, as Node listens where it is not told otherwise: callers of IPv4 have another look there.
    await new Promise<void>((resolve) => server.listen(0, resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const response = await fetch(
        `http://127.0.0.1:${port}/vicidial/non_agent_api.php?${new URLSearchParams(rightCall)}`,
      );
      expect(await response.text()).toBe(success);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("see what an option finds, where there is one", async () => {
    const entries: [string, string][] = [["OFFICE", "10.9.9.9"]];
    const options = { address: (request: Request) => request.headers.get("x-from") ?? undefined };
    await using centre = await callCentre({ settings: on, apiList: "OFFICE", entries, options });
    const through = (headers: Record<string, string>) =>
      centre.ask(rightCall, { address: "10.9.9.9", init: { headers } });
    expect((await through({})).text).toBe(blocked(""));
    expect((await through({ "x-from": "10.9.9.9" })).text).toBe(success);
  });
});

describe("a second factor", () => {
  const settings = { two_factor_auth_hours: "12", two_factor_container: "2FA_SETTINGS" };
  const refused = "ERROR: Login incorrect, please try again: |6666|1234|2FA|\n";

  test.each<[string, Setting, string]>([
    ["is asked for", { settings }, refused],
    ["not of a user who is free of it", { settings, user: { two_factor_override: "DISABLED" } }, success],
    ["not where it lasts no hour", { settings: { ...settings, two_factor_auth_hours: "0" } }, success],
    ["not where it is off", { settings: { ...settings, two_factor_container: "---DISABLED---" } }, success],
  ])("%s", async (_name, setting, text) => {
    expect(await readAnswer({}, setting)).toBe(text);
  });

  test.each([
    [{ auth_stage: "1", auth_exp_date: "2999-01-01 00:00:00" }, success],
    [{ auth_stage: "0", auth_exp_date: "2999-01-01 00:00:00" }, refused],
    [{ auth_stage: "1", auth_exp_date: "2001-01-01 00:00:00" }, refused],
    [{ auth_stage: "1", auth_exp_date: "2999-01-01 00:00:00", user: "7777" }, refused],
  ])("counts while it is valid: %j", async (row, text) => {
    await fill("vicidial_two_factor_auth", [{ user: "6666", ...row }]);
    expect(await readAnswer({}, { settings })).toBe(text);
  });
});

test("serves and logs on an older VICIdial schema", async () => {
  await using own = await mariadbDatabase();
  const connection = await mysql.createConnection({ uri: own.url });
  const statements = [
    ...leadTables({ live: "MyISAM", archive: "MyISAM" }),
    ...dialerTables,
    "ALTER TABLE vicidial_users DROP last_ip, DROP ignore_ip_list, DROP two_factor_override, DROP failed_login_attempts_today, DROP failed_login_count_today, DROP failed_last_ip_today, DROP failed_last_type_today",
    "ALTER TABLE vicidial_user_groups DROP api_ip_list",
    "ALTER TABLE vicidial_api_log DROP webserver, DROP api_url",
    "DROP TABLE system_settings, vicidial_ip_list_entries, vicidial_two_factor_auth, vicidial_webservers, vicidial_urls, vicidial_api_urls",
  ];
  for (const statement of statements) await connection.query(statement);
  await insertRows(connection, "vicidial_users", [user]);
  await insertRows(connection, "vicidial_user_groups", [
    { user_group: "ADMIN", allowed_campaigns: " -ALL-CAMPAIGNS- -" },
  ]);
  await insertRows(connection, "vicidial_list_archive", [makeLead(274071)]);
  await using host = await createTestHost();
  const vicidial = await createVicidial(host, { url: own.url });
  const ask = async (query: Record<string, string>) =>
    (await vicidial.routes.fetch(new Request(`${page}?${new URLSearchParams(query)}`))).text();
  expect([await ask(wrong), await ask(rightCall)]).toEqual([expect.stringMatching(/BAD/), success]);
  const [rows] = await connection.query("SELECT user, result FROM vicidial_api_log");
  expect(rows).toEqual([{ user: "6666", result: "SUCCESS" }]);
  await vicidial.close();
  await connection.end();
});
