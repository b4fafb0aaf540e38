import { silentLog } from "@reinstate/batch-core";
import { mariadbDatabase, postgresDatabase, sqliteDatabase, type TestDatabase } from "@reinstate/tooling/databases";
import { leadTables } from "@reinstate/vicidial/testing";
import mysql from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { vendors } from "./all-vendors.ts";
import { readSettings } from "./config.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { demoProfile as place } from "./testing/demo-subscription.ts";

const halfPair = "\ud800";
/** Texts that a database rejects, or that do not fit into its columns and indexes. */
const badTexts = { NUL: "a\0b", "a half pair": `a${halfPair}b`, "100,000 characters": "xY7-".repeat(25_000) };

const demoKeys = vendors.flatMap(({ demo }) => demo.keys);

const isOfVicidial = ({ path, body }: Seed) => `${path} ${JSON.stringify(body)}`.includes("vicidial");

interface Seed {
  path: string;
  method?: "GET" | "POST" | "PUT";
  headers?: Record<string, string>;
  query?: Record<string, string>;
  body?: unknown;
}

const promoter = {
  "content-type": "application/json",
  authorization: "Bearer demo-firstpromoter-key",
  "account-id": "acc_demo",
};
const token = "demo-altcraft-token";
const lead = { authorization: "Key=demo-vicidial-key", "content-type": "application/json" };
const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };
const email = { ...place, channel: "email", email: "john@example.com" };
const push = { ...place, channel: "push", provider: "Firefox", subscription_id: "abc" };
const custom = { ...place, channel: "mine", cc_data: { name: "a", deep: { list: ["b"] } } };
const changes = {
  status: "subscribed",
  custom_fields: { color: "red", list: { action: "add", value: "x" } },
  cats: ["news"],
  date: "2026-01-01T00:00:00Z",
  ip: "10.0.0.1",
  url: "https://example.com/",
};
const flags = { insert_leads: true, delete_leads: true, lead_ids: [1, "2"] };
const page = { q: "john", page: "1", per_page: "5", include_parent_promoter: "1", exclude_payout_method: "1" };

const altcraft = (method: string, body: object): Seed => ({
  path: `/api/v1.1/${method}`,
  headers: { "content-type": "application/json" },
  query: { format: "json" },
  body: { token, ...body },
});
const firstpromoter = (path: string, seed: Omit<Seed, "path">): Seed => ({
  path: `/api/v2/company${path}`,
  headers: promoter,
  ...seed,
});

const seeds: Seed[] = [
  firstpromoter("/promoters", { method: "GET", query: page }),
  firstpromoter("/promoters", {
    method: "GET",
    query: {
      "filters[email]": "a@b.c",
      "filters[campaign_id]": "1",
      "filters[archived]": "true",
      "sorting[email]": "asc",
    },
  }),
  firstpromoter("/promoters/1", { method: "GET", query: { find_by: "id" } }),
  firstpromoter("/promoters/john%40example.com", { method: "GET", query: { find_by: "email" } }),
  firstpromoter("/promoters", {
    body: {
      email: "new@example.com",
      cust_id: "c1",
      note: "hello",
      profile: { first_name: "J", last_name: "D", website: "w", company_name: "c", phone_number: "1", address: "x" },
      custom_fields: { color: "red" },
    },
  }),
  firstpromoter("/promoters/5", {
    method: "PUT",
    body: {
      email: "e5@example.com",
      cust_id: "c5",
      note: "n",
      profile: { first_name: "J" },
      custom_fields: { a: "b" },
      find_by: "id",
    },
  }),
  firstpromoter("/promoters/restore", { query: { "ids[]": "5" }, body: {} }),
  firstpromoter("/promoters/restore", { body: { ids: ["5", 6] } }),
  firstpromoter("/promoters/move_to_campaign", { body: { ids: ["5"], campaign_id: "2", drip_emails: "false" } }),
  firstpromoter("/promoters/assign_parent", { body: { ids: ["5"], parent_promoter_id: "7" } }),
  firstpromoter("/batch_processes", { method: "GET", query: { "filters[status]": "pending", page: "1" } }),
  firstpromoter("/batch_processes/1/items", { method: "GET", query: { "filters[outcome]": "done", cursor: "0.0.1" } }),
  altcraft("subscriptions/set", { ...email, ...changes }),
  altcraft("subscriptions/set", { ...custom, custom_fields: { color: "red" } }),
  ...["undelete", "delete", "get"].flatMap((verb) =>
    [push, custom].map((item) => altcraft(`subscriptions/${verb}`, item)),
  ),
  altcraft("subscriptions/list", place),
  altcraft("subscriptions/list_all", { db_id: 1, next_from_id: "x", resource_id: 26 }),
  altcraft("subscriptions/suspend_all", { ...place, channel: "email" }),
  altcraft("profiles/get", { db_id: 1, matching: "email", email: "john@example.com" }),
  altcraft("profiles/get", { db_id: 1, matching: "push_sub", provider: "Firefox", subscription_id: "x" }),
  altcraft("profiles/get", { db_id: 1, matching: "custom_sub", channel: "mine", cc_data: { name: "a" } }),
  altcraft("profiles/get", { db_id: 1, matching: "profile_id", profile_id: "x" }),
  altcraft("subscriptions/undelete_batch", { data: [email, push, custom] }),
  altcraft("subscriptions/undelete_batch", { data: [{ ...email, reason: "asked", reference: "T-1" }], reason: "x" }),
  altcraft("subscriptions/list_deleted", { ...place, next_from_id: "x" }),
  altcraft("subscriptions/erase", { ...custom, reason: "asked", reference: "T-1" }),
  altcraft("subscriptions/suppress", { email: "x@example.com", phone: "+79000000001", reason: "r", reference: "T" }),
  altcraft("subscriptions/unsuppress", { email: "x@example.com", reason: "r", reference: "T" }),
  altcraft("subscriptions/list_consent", { next_from_id: "x" }),
  ...["leads", "lead"].flatMap((dialect) => [
    { path: `/vicidial/${dialect}/dearchive`, headers: lead, body: flags },
    { path: `/vicidial/${dialect}/archive`, headers: lead, body: { ...flags, update_leads: true } },
  ]),
  {
    path: "/vicidial/non_agent_api.php",
    method: "GET",
    query: { source: "test", user: "6666", pass: "pass", function: "lead_dearchive", lead_id: "1", stage: "x" },
  },
  {
    path: "/v1/batches",
    headers: admin,
    body: { operation: "firstpromoter.promoters.restore", target: "local", account: "acc_demo", items: [1, "2"] },
  },
  {
    path: "/v1/batches",
    headers: admin,
    body: {
      operation: "firstpromoter.promoters.restore",
      account: "acc_demo",
      items: [1],
      params: { campaign_id: "1" },
    },
  },
  {
    path: "/v1/batches",
    headers: admin,
    body: { operation: "altcraft.subscriptions.undelete", items: [email, push, custom] },
  },
  {
    path: "/v1/batches",
    headers: admin,
    body: {
      operation: "altcraft.subscriptions.undelete",
      items: [{ ...email, reason: "x" }],
      params: { consent_guard: true, reason: "r", reference: "x" },
    },
  },
  {
    path: "/v1/batches",
    headers: admin,
    body: { operation: "vicidial.leads.dearchive", items: [1], params: { ...flags, lead_ids: undefined, reason: "x" } },
  },
  {
    path: "/v1/batches",
    headers: admin,
    body: {
      operation: "vicidial.leads.dearchive",
      filter: { list_id: "1", status: "SALE", campaign_id: "x" },
      params: { insert_leads: true, delete_leads: true },
    },
  },
  ...["operation", "account", "params", "column", "target"].map((name) => ({
    path: "/v1/batches",
    headers: { ...admin, "content-type": "text/csv" },
    query: {
      operation: "firstpromoter.promoters.restore",
      account: "acc_demo",
      [name]: name === "params" ? '{"a":"b"}' : "local",
    },
    body: "id\n1\n2\n",
  })),
  { path: "/v1/batches", method: "GET", headers: admin, query: { operation: "x", status: "pending", cursor: "1" } },
  { path: "/v1/batches/1/items", method: "GET", headers: admin, query: { cursor: "0.0.1", outcome: "done" } },
  { path: "/v1/batches/1/retry", headers: admin, body: { code: "x" } },
];

/** Members whose names inside are the caller's own. */
const open = ["custom_fields", "cc_data", "deep", "params", "filter", "profile"];

/** The value once for each text in it with that text replaced, and once for each name of the caller's own. */
function* withText(value: unknown, bad: string, isOpen = false): Generator<unknown> {
  if (typeof value === "string") yield bad;
  else if (Array.isArray(value)) {
    for (const [at, inner] of value.entries()) {
      for (const changed of withText(inner, bad)) yield value.with(at, changed);
    }
  } else if (typeof value === "object" && value !== null) {
    if (isOpen) yield { ...value, [bad]: "x" };
    for (const [name, inner] of Object.entries(value)) {
      for (const changed of withText(inner, bad, open.includes(name))) yield { ...value, [name]: changed };
    }
  }
}

interface Open extends AsyncDisposable {
  gateway: Gateway;
}

async function start(env: Record<string, string>, database: TestDatabase, more?: AsyncDisposable): Promise<Open> {
  const settings = readSettings({
    env: {
      ...env,
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_ENGINE: "in-process",
      REINSTATE_ALTCRAFT_EXTENSIONS: "on",
      REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
    },
    vendors,
  });
  const gateway = await createGateway(settings, vendors, silentLog);
  return {
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await database[Symbol.asyncDispose]();
      await more?.[Symbol.asyncDispose]();
    },
  };
}

async function vicidialDatabase(): Promise<TestDatabase> {
  const database = await mariadbDatabase();
  const connection = await mysql.createConnection({ uri: database.url });
  for (const statement of leadTables({ live: "InnoDB", archive: "InnoDB" })) await connection.query(statement);
  await connection.end();
  return database;
}

async function answer({ gateway }: Open, { path, method = "POST", headers = {}, query = {}, body }: Seed) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const url = `http://localhost${path}?${new URLSearchParams(query)}`;
  const response = await gateway.fetch(
    new Request(url, { method, headers, ...(text !== undefined && { body: text }) }),
  );
  return { status: response.status, text: await response.text() };
}

const demo = { REINSTATE_DEMO: "true" };

describe("texts that a database does not store", () => {
  test.each(Object.entries(badTexts))(
    "are answered alike on SQLite and PostgreSQL, and never with 500: %s",
    async (_, bad) => {
      const mariadb = await vicidialDatabase();
      await using sqlite = await start(demo, sqliteDatabase());
      await using postgres = await start(demo, await postgresDatabase());
      await using real = await start({ REINSTATE_VICIDIAL_URL: mariadb.url }, sqliteDatabase(), mariadb);
      for (const { vendor, secret, options } of demoKeys)
        await real.gateway.host.keys.create({ vendor, secret, ...(options && { options }) });
      const faults: unknown[] = [];
      for (const seed of seeds) {
        const changed = [
          ...[...withText(seed.body, bad)].map((body) => ({ ...seed, body })),
          ...[...withText(seed.query ?? {}, bad)].map((query) => ({ ...seed, query: query as Record<string, string> })),
        ];
        for (const call of changed) {
          const [one, other, third] = await Promise.all(
            [sqlite, postgres, ...(isOfVicidial(call) ? [real] : [])].map((to) => answer(to, call)),
          );
          if (one?.status === other?.status && [one, other, third].every((answer) => (answer?.status ?? 0) < 500))
            continue;
          faults.push({ call: JSON.stringify(call).slice(0, 500), answers: [one, other, third] });
        }
      }
      expect(faults).toEqual([]);
      for (const { gateway } of [sqlite, postgres, real]) {
        const batches = await gateway.host.batches.list({ limit: 500 });
        for (const { id } of batches) {
          await gateway.host.batches.wait(id);
          const { items } = await gateway.host.batches.items(id, { outcome: "failed" });
          expect(items.filter(({ code }) => code === "retries_exhausted")).toEqual([]);
        }
      }
    },
    60_000,
  );

  const restore = { operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [1] };
  const csv = { ...admin, "content-type": "text/csv" };
  const named: [string, (bad: string) => Seed][] = [
    ["operation", (bad) => ({ path: "/v1/batches", headers: admin, body: { ...restore, operation: bad } })],
    ["account", (bad) => ({ path: "/v1/batches", headers: admin, body: { ...restore, account: bad } })],
    [
      "params.reason",
      (bad) => ({
        path: "/v1/batches",
        headers: admin,
        body: {
          operation: "altcraft.subscriptions.undelete",
          items: [email],
          params: { consent_guard: true, reason: bad },
        },
      }),
    ],
    [
      "filter",
      (bad) => ({
        path: "/v1/batches",
        headers: admin,
        body: {
          operation: "vicidial.leads.dearchive",
          filter: { status: bad },
          params: { insert_leads: true, delete_leads: true },
        },
      }),
    ],
    ["operation", (bad) => ({ path: "/v1/batches", headers: csv, query: { operation: bad }, body: "id\n1\n" })],
    [
      "account",
      (bad) => ({
        path: "/v1/batches",
        headers: csv,
        query: { operation: restore.operation, account: bad },
        body: "id\n1\n",
      }),
    ],
    [
      "column",
      (bad) => ({
        path: "/v1/batches",
        headers: csv,
        query: { operation: restore.operation, account: "acc_demo", column: bad },
        body: "id\n1\n",
      }),
    ],
    ["operation", (bad) => ({ path: "/v1/batches", method: "GET", headers: admin, query: { operation: bad } })],
    ["code", (bad) => ({ path: "/v1/batches/1/retry", headers: admin, body: { code: bad.slice(0, 1000) } })],
  ];

  test("are rejected at /v1 with the name of the field", async () => {
    await using sqlite = await start(demo, sqliteDatabase());
    for (const [field, call] of named) {
      for (const [kind, bad] of Object.entries(badTexts)) {
        const seed = call(bad);
        // In a query, a half pair is encoded as the replacement character.
        if (seed.query && kind === "a half pair") continue;
        const { status, text } = await answer(sqlite, seed);
        expect([kind, status, JSON.parse(text).errors?.[0]?.path]).toEqual([kind, 422, expect.stringContaining(field)]);
        expect(text.length).toBeLessThan(16_384);
      }
    }
  });

  test("are rejected in a key with the name of the field", async () => {
    await using sqlite = await start(demo, sqliteDatabase());
    const { keys } = sqlite.gateway.host;
    for (const bad of Object.values(badTexts)) {
      for (const field of ["vendor", "account", "name", "secret"]) {
        await expect(keys.create({ vendor: "admin", [field]: bad })).rejects.toMatchObject({
          code: "invalid_request",
          issues: [{ path: field }],
        });
      }
      await expect(keys.create({ vendor: "admin", options: { dialect: bad } })).rejects.toMatchObject({
        issues: [{ path: "options.dialect" }],
      });
    }
    expect(await keys.list()).toHaveLength(demoKeys.length + 1);
  });
});
