import { v1OpenApi } from "@reinstate/batch-core/http";
import { ledgerDatabases, mariadbDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { fuzz, toJson } from "@reinstate/tooling/fuzz";
import { leadTables, makeLead } from "@reinstate/vicidial/testing";
import * as fc from "fast-check";
import mysql from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { demoAdminKey } from "./demo.ts";
import { openDemoGateway } from "./testing/demo-gateway.ts";
import { demoProfile } from "./testing/demo-subscription.ts";

const id = fc.integer({ min: 1, max: 1005 });
const ids = fc.array(id, { minLength: 1, maxLength: 12 });
const flags = { insert_leads: true, delete_leads: true };
const subscription = { ...demoProfile, channel: "email" };
const options = {
  target: fc.constant("local"),
  dry_run: fc.boolean(),
  stop_rule: fc.record({ max_failure_rate: fc.double({ min: 0, max: 1, noNaN: true }), after: fc.nat(100) }),
};
const newBatches = fc.oneof(
  fc.record(
    {
      operation: fc.constantFrom("firstpromoter.promoters.restore", "firstpromoter.promoters.archive"),
      account: fc.constantFrom("acc_demo", "acc_other"),
      items: ids,
      ...options,
    },
    { requiredKeys: ["operation", "account", "items"] },
  ),
  fc.record(
    {
      operation: fc.constantFrom("altcraft.subscriptions.undelete", "altcraft.subscriptions.delete"),
      items: fc.array(
        fc.constantFrom("john@example.com", "jane@example.com").map((email) => ({ ...subscription, email })),
        {
          minLength: 1,
          maxLength: 3,
        },
      ),
      ...options,
    },
    { requiredKeys: ["operation", "items"] },
  ),
  fc.record(
    { operation: fc.constant("vicidial.leads.dearchive"), params: fc.constant(flags), items: ids, ...options },
    { requiredKeys: ["operation", "params", "items"] },
  ),
);

/** A streamed batch has its operation in the query; its items are promoters. */
const streams = {
  "application/x-ndjson": (body: unknown) => lines(body),
  "text/csv": (body: unknown) => `promoter_id\n${lines(body)}`,
};
const streamQuery: [string, string][] = [
  ["operation", "firstpromoter.promoters.restore"],
  ["account", "acc_demo"],
];
const lines = (body: unknown) => (Array.isArray(body) ? body : [body]).map((item) => toJson(item)).join("\n");

interface Databases extends AsyncDisposable {
  url: string;
  settings?: Record<string, string>;
}

/** The leads in a VICIdial database on MariaDB, all else in a SQLite file. */
async function openWithVicidial(): Promise<Databases> {
  const ledger = sqliteDatabase();
  const vicidial = await mariadbDatabase();
  const connection = await mysql.createConnection({ uri: vicidial.url });
  const leads = Array.from({ length: 1001 }, (_, lead) => makeLead(lead));
  const columns = Object.keys(leads[0] as object).map((name) => `\`${name}\``);
  for (const statement of leadTables({ live: "InnoDB", archive: "InnoDB" })) await connection.query(statement);
  await connection.query(`insert into vicidial_list_archive (${columns.join(", ")}) values ?`, [
    leads.map((lead) => Object.values(lead)),
  ]);
  await connection.end();
  return {
    url: ledger.url,
    settings: { REINSTATE_VICIDIAL_URL: vicidial.url },
    async [Symbol.asyncDispose]() {
      await ledger[Symbol.asyncDispose]();
      await vicidial[Symbol.asyncDispose]();
    },
  };
}

const databases: { name: string; open(): Promise<Databases> }[] = [
  ...ledgerDatabases,
  { name: "SQLite, with leads on MariaDB", open: openWithVicidial },
];

describe.each(databases)("fuzzed requests to /v1 on $name", ({ name, open }) => {
  test("are answered as documented", async () => {
    await using database = await open();
    await using gateway = await openDemoGateway(database.url, database.settings);
    const document = v1OpenApi();
    const problem = { content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } } };
    const report = await fuzz({
      run: databases.findIndex((one) => one.name === name),
      document,
      // A changed path may leave /v1 for the dashboard.
      elsewhere: { 401: problem, 404: { content: { ...problem.content, "text/html": { schema: {} } } }, 405: problem },
      hints: {
        id: fc.integer({ min: 1, max: 60 }),
        cursor: fc.integer({ min: 1, max: 60 }),
        operation: fc.constant("firstpromoter.promoters.restore"),
        "Idempotency-Key": fc.nat(500).map((number) => `key-${number}`),
        "POST /v1/batches application/json": newBatches,
        "POST /v1/batches application/x-ndjson": ids,
        "POST /v1/batches text/csv": ids,
      },
      headers: { Authorization: `Bearer ${demoAdminKey}` },
      // The query of a new batch is for streams alone, and theirs leaves the rest to the items.
      prepare: (plan) =>
        plan.mediaType === undefined ? plan : { ...plan, query: plan.mediaType in streams ? streamQuery : [] },
      encoders: streams,
      fetch: (request) => gateway.fetch(request),
      fault: (_, { status }) =>
        gateway.errors.length > 0
          ? JSON.stringify(gateway.errors.splice(0))
          : status >= 500
            ? `status ${status}`
            : undefined,
    });
    expect(report.requests).toBeGreaterThan(0);
  });
});
