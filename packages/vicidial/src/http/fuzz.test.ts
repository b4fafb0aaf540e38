import type { Log } from "@reinstate/batch-core";
import { startVendor } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { fuzz } from "@reinstate/tooling/fuzz";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../create.ts";
import { apiDocument, elsewhere } from "../fixtures/api-document.ts";
import { emptiedDatabase } from "../fixtures/emptied-database.test.fixture.ts";
import { makeLead } from "../leads/make-lead.ts";
import { vicidial } from "../vendor.ts";

const ids = Array.from({ length: 400 }, (_, id) => id);
const id = fc.integer({ min: 0, max: 405 });
const hints = {
  insert_leads: fc.constantFrom(true, true, false),
  update_leads: fc.boolean(),
  delete_leads: fc.constantFrom(true, true, false),
  lead_ids: fc.oneof(
    { weight: 4, arbitrary: fc.uniqueArray(fc.constantFrom(...ids), { minLength: 1, maxLength: 3 }) },
    fc.array(id, { maxLength: 20 }),
  ),
  explain: fc.constantFrom("true", "false", "1", ""),
  customer: fc.constantFrom("acme", "A B", "ü"),
  source: fc.constant("test"),
  user: fc.constant("6666"),
  pass: fc.constant("1234"),
  function: fc.constant("lead_dearchive"),
  lead_id: id.map(String),
  "Idempotency-Key": fc.nat(500).map((number) => `key-${number}`),
};

async function fuzzVicidial(databaseUrl: string, options: { url?: string }, run: number) {
  const errors: unknown[] = [];
  let calls = 0;
  const log: Log = { error: (fields) => void errors.push(fields), warn() {}, info() {}, debug() {} };
  await using server = await startVendor(vicidial, {
    host: { databaseUrl, log },
    create: (host) => createVicidial(host, options),
  });
  return await fuzz({
    document: apiDocument,
    elsewhere: elsewhere,
    hints,
    headers: { Authorization: "Key=demo-vicidial-key" },
    encoders: { "application/x-www-form-urlencoded": toForm },
    run,
    // Each call from another address: wrong keys are limited by address.
    fetch: (request) =>
      server.instance.routes.fetch(request, {
        incoming: { socket: { remoteAddress: `10.0.${calls >> 8}.${calls++ & 255}` } },
        outgoing: {},
      }),
    fault: (_, { status }) =>
      errors.length > 0 ? JSON.stringify(errors.splice(0)) : status === 503 ? "status 503" : undefined,
  });
}

const toForm = (body: unknown) =>
  new URLSearchParams(
    Object.entries(Object(body)).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();

describe.each(ledgerDatabases)("fuzzed requests to the leads API over demo tables on $name", ({ name, open }) => {
  test("are answered as documented", async () => {
    await using database = await open();
    const report = await fuzzVicidial(database.url, {}, name === "SQLite" ? 0 : 1);
    expect(report.requests).toBeGreaterThan(0);
  });
});

describe("fuzzed requests to the leads API over MariaDB", () => {
  const vicidialDatabase = emptiedDatabase();

  test("are answered as documented", async () => {
    await vicidialDatabase.fill("vicidial_users", [
      {
        user: "6666",
        pass: "1234",
        user_group: "ADMIN",
        user_level: 9,
        active: "Y",
        modify_leads: "1",
        vdc_agent_api_access: "1",
        api_allowed_functions: " lead_dearchive ",
      },
    ]);
    await vicidialDatabase.fill("system_settings", [{ allow_ip_lists: "0" }]);
    await vicidialDatabase.fill("vicidial_user_groups", [
      { user_group: "ADMIN", allowed_campaigns: " -ALL-CAMPAIGNS- - -" },
    ]);
    await vicidialDatabase.fill(
      "vicidial_list_archive",
      ids.map((lead) => makeLead(lead)),
    );
    const report = await fuzzVicidial("sqlite::memory:", { url: vicidialDatabase.url }, 2);
    expect(report.requests).toBeGreaterThan(0);
  });
});
