import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createHost } from "@reinstate/batch-core";
import { until } from "@reinstate/batch-core/testing";
import { ledgerDatabases, mariadbDatabase, type TestDatabase } from "@reinstate/tooling/databases";
import { dialerTables, insertRows, leadTables, makeLead } from "@reinstate/vicidial/testing";
import { type Kysely, sql } from "kysely";
import mysql, { type Connection, type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { demoSubscription as john } from "./testing/demo-subscription.ts";
import { run, startGateway } from "./testing/gateway-process.ts";

let made = 0;
/** Makes a secret that is found wherever it turns up, also in part. */
const plant = () => `cAnArY${String(++made).padStart(3, "0")}x${"k7".repeat(8)}`;
const planted = /canary\d{3}x/i;
/** The same as base64 writes it, at any of the three places in a group of bytes. */
const encoded = ["cAnArY", "xcAnArY", "xxcAnArY"].map((text) => Buffer.from(text).toString("base64").slice(2, 8));

/** VICIdial's own answer to a wrong login, which repeats what the caller itself has sent. */
const wrongLogin = /ERROR: Login incorrect, please try again: \|[^|]*\|[^|]*\|/g;

/** Finds a planted secret in a text, plain or encoded. */
function findSecret(text: string): string | undefined {
  const plain = decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, "%25").replace(/%[89a-f][0-9a-f]/gi, ""));
  for (const read of [text, plain]) {
    const at = read.search(planted);
    if (at >= 0) return read.slice(Math.max(0, at - 100), at + 40);
  }
  return encoded.find((part) => text.includes(part));
}

/** A vendor that answers every call with an error that repeats the whole request, secrets too. */
async function startEcho() {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const message = `${request.method} ${request.url} ${JSON.stringify(request.rawHeaders)} ${body}`;
    const status = request.url?.includes("webhook") ? 500 : 422;
    response.writeHead(status, {
      "content-type": "application/json",
      "x-request-id": message.replace(/[^ -~]/g, "").slice(0, 500),
    });
    response.end(
      JSON.stringify({ message, error: 400, error_text: message, errors: { base: [message] }, lead_errors: 1 }),
    );
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const vicidialUser = { user: "6666", pass: plant(), user_group: "ADMIN", user_level: 9, active: "Y" };
const vicidialRights = { modify_leads: "1", vdc_agent_api_access: "1", api_allowed_functions: " lead_dearchive " };

async function vicidialDatabase(): Promise<TestDatabase & { connection: Connection }> {
  const database = await mariadbDatabase();
  const connection = await mysql.createConnection({ uri: database.url });
  for (const statement of [...leadTables({ live: "MyISAM", archive: "MyISAM" }), ...dialerTables]) {
    await connection.query(statement);
  }
  await connection.query("insert into system_settings set ?", [{ allow_ip_lists: "0" }]);
  await connection.query("insert into vicidial_users set ?", [{ ...vicidialUser, ...vicidialRights }]);
  await connection.query("insert into vicidial_user_groups set ?", [
    { user_group: "ADMIN", allowed_campaigns: " -ALL-CAMPAIGNS- - -" },
  ]);
  await insertRows(connection, "vicidial_list_archive", [makeLead(1), makeLead(2)]);
  return {
    url: database.url,
    connection,
    async [Symbol.asyncDispose]() {
      await connection.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** All rows of all tables, a text for each table. */
async function dumpLedger(url: string): Promise<Record<string, string>> {
  const host = await createHost({ databaseUrl: url, role: "web" });
  try {
    const db: Kysely<unknown> = host.database.tables();
    const { rows: tables } = await (host.database.dialect === "sqlite"
      ? sql<{ schema: string; name: string }>`select 'main' as schema, name from sqlite_master where type = 'table'`
      : sql<{
          schema: string;
          name: string;
        }>`select table_schema as schema, table_name as name from information_schema.tables
          where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'`
    ).execute(db);
    const dumped: Record<string, string> = {};
    for (const { schema, name } of tables) {
      const { rows } = await sql`select * from ${sql.table(`${schema}.${name}`)}`.execute(db);
      dumped[name] = JSON.stringify(rows, (_, value) =>
        value?.type === "Buffer" ? Buffer.from(value.data).toString("latin1") : value,
      );
    }
    return dumped;
  } finally {
    await host.close();
  }
}

/** All rows of a VICIdial database. The schema itself holds the passwords of its users. */
async function dumpVicidial(connection: Connection): Promise<Record<string, string>> {
  const [tables] = await connection.query<RowDataPacket[]>("show tables");
  const dumped: Record<string, string> = {};
  for (const row of tables) {
    const name = Object.values(row)[0] as string;
    const [rows] = await connection.query<RowDataPacket[]>(`select * from \`${name}\``);
    dumped[name] = JSON.stringify(name === "vicidial_users" ? rows.map(({ pass: _, ...rest }) => rest) : rows);
  }
  return dumped;
}

interface Call {
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

const json = { "content-type": "application/json" };
const xml = { "content-type": "application/xml" };
const promoters = "/api/v2/company/promoters";
const undelete = "/api/v1.1/subscriptions/undelete";
const nonAgent = "/vicidial/non_agent_api.php";
const leads = { insert_leads: true, delete_leads: true, lead_ids: [1] };
const basic = () => `Basic ${Buffer.from(`${plant()}:${plant()}`).toString("base64")}`;

/** Calls with a wrong secret at each place where a client may put one, well-formed and malformed. */
function strangers(): Call[] {
  const schemes = [
    `Bearer ${plant()}`,
    `Key=${plant()}`,
    basic(),
    `Digest response="${plant()}"`,
    plant(),
    `bearer ${plant()} ${plant()}`,
  ];
  const paths = [
    `${promoters}/restore`,
    undelete,
    "/vicidial/leads/dearchive",
    "/vicidial/lead/archive",
    "/v1/batches",
    "/nowhere",
  ];
  return [
    ...schemes.flatMap((authorization) =>
      paths.map((path) => ({
        path,
        method: "POST",
        headers: { ...json, authorization, "account-id": "acc_demo" },
        body: "{}",
      })),
    ),
    ...paths.map((path) => ({
      path: `${path}?pass=${plant()}&token=${plant()}&api_key=${plant()}`,
      method: "POST",
      headers: { ...json, cookie: `session=${plant()}`, "x-api-key": plant() },
      body: "{}",
    })),
    { path: undelete, method: "POST", headers: json, body: JSON.stringify({ token: plant(), ...john }) },
    { path: undelete, method: "POST", headers: json, body: `{"token":"${plant()}","db_id":` },
    { path: undelete, method: "POST", headers: json, body: `{"token":"${plant()}","token":"${plant()}"}` },
    { path: undelete, method: "POST", headers: json, body: JSON.stringify({ token: [plant()], ...john }) },
    { path: undelete, method: "POST", headers: xml, body: `<xml><token>${plant()}</token><db_id>1</db_id></xml>` },
    { path: undelete, method: "POST", headers: xml, body: `<xml><token>${plant()}</tokken></xml>` },
    { path: `${nonAgent}?source=test&user=6666&pass=${plant()}&function=lead_dearchive&lead_id=1` },
    {
      path: `${nonAgent}?source=test&user=${plant().slice(0, 20)}&pass=${plant()}&function=lead_dearchive&lead_id=1&dry_run=1`,
    },
    {
      path: nonAgent,
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: `source=test&user=6666&pass=${plant()}&function=lead_dearchive&lead_id=1`,
    },
  ];
}

/** Calls with the right secrets, valid and invalid. */
function holders(keys: Record<string, string>): Call[] {
  const admin = { ...json, authorization: `Bearer ${keys.admin}` };
  const promoter = {
    ...json,
    authorization: `Bearer ${keys.firstpromoter}`,
    "account-id": "acc_demo",
    "idempotency-key": "mine",
  };
  const v1 = (batch: object): Call => ({
    path: "/v1/batches",
    method: "POST",
    headers: admin,
    body: JSON.stringify(batch),
  });
  const altcraft = (body: object): Call => ({
    path: undelete,
    method: "POST",
    headers: { ...json, "request-id": "mine" },
    body: JSON.stringify({ token: keys.altcraft, ...body }),
  });
  const login = `source=test&user=6666&pass=${vicidialUser.pass}&function=lead_dearchive`;
  return [
    { path: `${promoters}/restore`, method: "POST", headers: promoter, body: '{"ids":[1,100000]}' },
    { path: `${promoters}/restore`, method: "POST", headers: promoter, body: "{" },
    { path: `${promoters}?q=a&api_key=${plant()}`, headers: promoter },
    altcraft(john),
    altcraft({ ...john, email: "unknown@example.com" }),
    altcraft({ ...john, email: 5 }),
    { path: `${undelete}?token=${keys.altcraft}`, method: "POST", headers: xml, body: "<xml></xml>" },
    {
      path: "/vicidial/leads/dearchive",
      method: "POST",
      headers: { ...json, authorization: `Key=${keys.vicidial}` },
      body: JSON.stringify(leads),
    },
    {
      path: "/vicidial/leads/dearchive",
      method: "POST",
      headers: { ...json, authorization: `Key=${keys.vicidial}` },
      body: '{"lead_ids":',
    },
    { path: `${nonAgent}?${login}&lead_id=2` },
    { path: `${nonAgent}?${login}&lead_id=2&explain=1` },
    { path: `${nonAgent}?${login}&lead_id=99` },
    v1({ operation: "firstpromoter.promoters.restore", account: "acc_demo", target: "upstream", items: [1, 2] }),
    v1({ operation: "altcraft.subscriptions.undelete", target: "upstream", items: [john] }),
    v1({
      operation: "vicidial.leads.dearchive",
      target: "upstream",
      items: [1],
      params: { insert_leads: true, delete_leads: true },
    }),
    { path: `/v1/batches?pass=${plant()}`, headers: admin },
    { path: "/v1/batches", method: "POST", headers: admin, body: "{" },
  ];
}

describe.each(ledgerDatabases)("secrets on $name and MariaDB", ({ open }) => {
  test("appear in no log, table, report or answer", async () => {
    await using database = await open();
    await using vicidial = await vicidialDatabase();
    await using echo = await startEcho();
    const keys = Object.fromEntries(
      ["admin", "firstpromoter", "altcraft", "vicidial"].map((vendor) => [vendor, plant()]),
    );
    const settings = {
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_VICIDIAL_URL: vicidial.url,
      REINSTATE_FIRSTPROMOTER_UPSTREAM_URL: `${echo.url}/fp`,
      REINSTATE_FIRSTPROMOTER_UPSTREAM_KEY: plant(),
      REINSTATE_FIRSTPROMOTER_UPSTREAM_ACCOUNT: "acc_upstream",
      REINSTATE_FIRSTPROMOTER_WEBHOOK_URL: `${echo.url}/webhook`,
      REINSTATE_FIRSTPROMOTER_WEBHOOK_SECRET: `whsec_${Buffer.from(plant()).toString("base64")}`,
      REINSTATE_ALTCRAFT_UPSTREAM_URL: `${echo.url}/ac`,
      REINSTATE_ALTCRAFT_UPSTREAM_TOKEN: plant(),
      REINSTATE_VICIDIAL_UPSTREAM_URL: echo.url,
      REINSTATE_VICIDIAL_UPSTREAM_KEY: plant(),
      LOG_LEVEL: "trace",
    };
    const host = await createHost({ databaseUrl: database.url, role: "web" });
    for (const [vendor, secret] of Object.entries(keys)) {
      await host.keys.create({ vendor, secret, ...(vendor === "firstpromoter" && { account: "acc_demo" }) });
    }
    await host.close();
    await using gateway = await startGateway(settings);
    const seen: Record<string, string> = {};
    async function ask({ path, method = "GET", headers = {}, body }: Call): Promise<Response> {
      const response = await fetch(gateway.baseUrl + path, { method, headers, ...(body !== undefined && { body }) });
      const text = await response.clone().text();
      const name = `${method} ${path.replaceAll(new RegExp(`${planted.source}\\w*`, "gi"), "…")} ${Object.keys(seen).length}`;
      seen[name] = `${response.status} ${JSON.stringify([...response.headers])} ${text.replace(wrongLogin, "")}`;
      return response;
    }
    for (const call of [...strangers(), ...holders(keys)]) await ask(call);
    const headers = { authorization: `Bearer ${keys.admin}` };
    const list = async () => {
      const response = await fetch(`${gateway.baseUrl}/v1/batches?limit=500`, { headers });
      return ((await response.json()) as { batches: { id: number; status: string; target: string; failed: number }[] })
        .batches;
    };
    await until(async () => (await list()).every(({ status }) => status === "completed" || status === "failed"));
    const batches = await list();
    // The vendor's errors, which repeat its secret, were stored.
    expect(batches.filter(({ target, failed }) => target === "upstream" && failed > 0)).toHaveLength(3);
    for (const { id } of batches) {
      for (const part of ["", "/items", "/report.csv", "/report.ndjson", "/manifest.json"]) {
        await ask({ path: `/v1/batches/${id}${part}`, headers });
      }
    }
    await ask({ path: "/readyz" });
    await until(async () => /webhook/.test(gateway.output().err));
    await gateway.end("SIGTERM");
    const { out, err } = gateway.output();
    const places: Record<string, string> = {
      ...seen,
      stdout: out,
      log: err,
      ...(await dumpLedger(database.url)),
      ...(await dumpVicidial(vicidial.connection)),
    };
    if ("folder" in database) {
      const folder = database.folder as string;
      for (const file of readdirSync(folder)) places[file] = readFileSync(join(folder, file), "latin1");
    }
    const leaks = Object.entries(places).flatMap(([place, text]) => {
      const secret = findSecret(text);
      return secret === undefined ? [] : [{ place, secret }];
    });
    expect(leaks).toEqual([]);
    // The search covers everything that was written.
    expect(Object.keys(places)).toEqual(
      expect.arrayContaining(["reinstate_outcomes", "vicidial_api_urls", "firstpromoter_notices"]),
    );
    expect(places.log).toContain('"msg":"request"');
  }, 120_000);
});

test.each([
  [{ REINSTATE_DATABASE_URL: `postgres://user:${plant()}@127.0.0.1:1/none?application_name=x` }, 5],
  [{ REINSTATE_DATABASE_URL: `postgres://user:${plant()}%@127.0.0.1:1/none` }, 2],
  [{ REINSTATE_VICIDIAL_URL: `mysql://user:${plant()}#@127.0.0.1:1/none` }, 2],
  [{ REINSTATE_FIRSTPROMOTER_WEBHOOK_URL: "https://x.example", REINSTATE_FIRSTPROMOTER_WEBHOOK_SECRET: plant() }, 2],
  [{ REINSTATE_PASSWORD: plant() }, 2],
  [{ PORT: plant() }, 2],
])("secrets in settings that stop the start are not shown: %#", async (settings, expected) => {
  const { status, out, err } = await run(["serve"], { ...settings, LOG_LEVEL: "trace" });
  expect([status, findSecret(out + err)]).toEqual([expected, undefined]);
  expect(err).toMatch(/^reinstate: /m);
});
