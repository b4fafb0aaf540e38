import { spawnSync } from "node:child_process";
import { createHost, systemClock } from "@reinstate/batch-core";
import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases, mariadbDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial, type Vicidial } from "../create.ts";
import { insertRows } from "../fixtures/insert-rows.ts";
import { leadTables } from "../fixtures/vicidial-tables.ts";
import { makeLead } from "../leads/make-lead.ts";
import { createOfficeClock } from "../office-hours/office-clock.ts";
import { readOptions } from "../options.ts";
import { demoArchive, demoLive } from "../store/demo-store.ts";
import type { LeadStore } from "../store/lead-store.ts";
import { createRoutes } from "./routes.ts";

const secret = "a-key-of-the-tests";
const other = "another-key-of-the-tests";
const makeBody = (lead_ids: unknown, flags = {}) =>
  JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids, ...flags });

async function call(
  { routes }: Pick<Vicidial, "routes">,
  body: string,
  { path = "leads/dearchive", key = "first", holder = secret } = {},
) {
  const headers = { authorization: `Key=${holder}`, "idempotency-key": key };
  const request = new Request(`http://localhost/vicidial/${path}`, { method: "POST", headers, body });
  const response = await routes.fetch(request);
  return {
    status: response.status,
    body: await response.json(),
    batch: response.headers.get("x-reinstate-batch"),
    replayed: response.headers.get("idempotency-replayed"),
    retryAfter: response.headers.get("retry-after"),
  };
}

const message = "lead_ids batch was successfully processed";

describe.each(ledgerDatabases)("an Idempotency-Key on $name", ({ open }) => {
  async function start(dearchiveHours = "any") {
    const database = await open();
    const now = { value: Date.parse("2026-01-05T20:00:00Z") };
    const clock = { now: () => now.value, sleep: async () => {} };
    const host = await createTestHost({ databaseUrl: database.url, clock, role: "web" });
    for (const one of [secret, other]) await host.keys.create({ vendor: "vicidial", secret: one });
    const vicidial = await createVicidial(host, { dearchiveHours });
    await host.database.transaction(async (db) => {
      await db
        .insertInto(demoArchive)
        .values([1, 2, 3, 4].map((id) => makeLead(id)))
        .execute();
    });
    return {
      host,
      now,
      vicidial,
      async [Symbol.asyncDispose]() {
        await host.close();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("replays the first answer at any hour in its dialect", async () => {
    await using place = await start("outside 08:00-18:00 mon-fri");
    const first = await call(place.vicidial, makeBody([1, 2]));
    const body = { message, select_count: 2, insert_count: 2, delete_count: 2 };
    expect(first).toMatchObject({ status: 200, body, replayed: null });
    place.now.value = Date.parse("2026-01-06T12:00:00Z");
    const again = await call(place.vicidial, makeBody([1, 2]));
    expect(again).toEqual({ ...first, replayed: "true" });
    const legacy = await call(place.vicidial, makeBody([1, 2]), { path: "lead/dearchive/customer_name/" });
    expect(legacy).toEqual({ ...first, body: { ...body, http_code: 200 }, replayed: "true" });
    expect(await place.host.batches.list({ limit: 9 })).toHaveLength(1);
  });

  test("gives counts that tell of leads that were kept", async () => {
    await using place = await start();
    await place.host.database.transaction(async (db) => {
      await db
        .insertInto(demoLive)
        .values([makeLead(1), makeLead(2, { status: "SALE" })])
        .execute();
    });
    const first = await call(place.vicidial, makeBody([1, 2, 3]));
    expect(first.body).toEqual({ message, select_count: 3, insert_count: 1, delete_count: 2 });
    expect(await call(place.vicidial, makeBody([1, 2, 3]))).toEqual({ ...first, replayed: "true" });
  });

  test("is refused with another body and scoped by key", async () => {
    await using place = await start();
    await call(place.vicidial, makeBody([1]));
    const refusal = "This Idempotency-Key was used with another request";
    expect(await call(place.vicidial, makeBody([2]))).toMatchObject({
      status: 500,
      body: { message: refusal, lead_errors: 0, lead_ids: [] },
      batch: null,
    });
    expect(await call(place.vicidial, makeBody([2]), { path: "lead/dearchive" })).toMatchObject({
      status: 449,
      body: { message: refusal, http_code: 449 },
    });
    const archive = makeBody([1], { update_leads: false });
    for (const change of [{ holder: other }, { key: "second" }]) {
      expect(await call(place.vicidial, makeBody([change.key ? 3 : 2]), change)).toMatchObject({
        status: 200,
        replayed: null,
      });
    }
    expect(await call(place.vicidial, archive, { path: "leads/archive" })).toMatchObject({
      status: 200,
      replayed: null,
    });
  });

  test("keeps no refusal, and does not stand for a look", async () => {
    await using place = await start();
    expect(await call(place.vicidial, makeBody([9]))).toMatchObject({ status: 400, batch: null });
    expect(await call(place.vicidial, makeBody([1]), { path: "leads/dearchive?explain=true" })).toMatchObject({
      batch: null,
    });
    expect(await call(place.vicidial, makeBody([1]))).toMatchObject({ status: 200, replayed: null });
    expect(await call(place.vicidial, makeBody([1]), { path: "leads/dearchive?explain=true" })).toMatchObject({
      body: { leads: [{ lead_id: 1, verdict: "missing" }] },
    });
  });

  test("leaves the documented order of errors as it is", async () => {
    await using place = await start("outside 08:00-18:00 mon-fri");
    const large = " ".repeat(1024 * 1024 + 1);
    const noInteger = makeBody(["1"]);
    expect(await call(place.vicidial, makeBody([1]))).toMatchObject({ status: 200 });
    const statuses = async () => ({
      unauthorized: (await call(place.vicidial, large, { holder: "wrong", key: "" })).status,
      tooLarge: (await call(place.vicidial, large)).status,
      tooLargeInLegacy: (await call(place.vicidial, large, { path: "lead/dearchive" })).status,
      noJson: (await call(place.vicidial, "{")).status,
      noInteger: (await call(place.vicidial, noInteger)).status,
      wrongKeyAndNoInteger: (await call(place.vicidial, noInteger, { key: "clé" })).status,
      wrongKey: (await call(place.vicidial, makeBody([2]), { key: "" })).status,
      anotherBody: (await call(place.vicidial, makeBody([2]))).status,
      replay: (await call(place.vicidial, makeBody([1]))).status,
    });
    const outside = { tooLarge: 413, tooLargeInLegacy: 413, noJson: 500, noInteger: 400, wrongKeyAndNoInteger: 400 };
    expect(await statuses()).toEqual({ unauthorized: 401, ...outside, wrongKey: 500, anotherBody: 500, replay: 200 });
    place.now.value = Date.parse("2026-01-06T12:00:00Z");
    const inside = { tooLarge: 403, tooLargeInLegacy: 441, noJson: 403, noInteger: 403, wrongKeyAndNoInteger: 403 };
    expect(await statuses()).toEqual({ unauthorized: 401, ...inside, wrongKey: 403, anotherBody: 403, replay: 200 });
    expect(await place.host.batches.list({ limit: 9 })).toHaveLength(1);
  });

  test("that is none is refused before anything is done", async () => {
    await using place = await start();
    const text = "The header Idempotency-Key must be 1 to 255 printable ASCII characters";
    for (const key of ["", "x".repeat(256), "clé"]) {
      expect(await call(place.vicidial, makeBody([1]), { key })).toMatchObject({
        status: 500,
        body: { message: text },
      });
    }
    expect(await place.host.batches.list({ limit: 9 })).toEqual([]);
  });

  test("lets one of several parallel calls move the leads", async () => {
    await using place = await start();
    const answers = await Promise.all(Array.from({ length: 6 }, () => call(place.vicidial, makeBody([1, 2, 3, 4]))));
    expect(await place.host.batches.list({ limit: 9 })).toHaveLength(1);
    const [{ batch = null } = {}] = answers;
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 200, batch, body: { message, insert_count: 4, delete_count: 4 } });
    }
  });

  test("replays if the first call moved the leads meanwhile", async () => {
    await using place = await start();
    const { host, vicidial } = place;
    let overtaken = false;
    const store: LeadStore = {
      ...vicidial.store,
      async findInSource(verb, ids) {
        if (!overtaken) {
          overtaken = true;
          await call(vicidial, makeBody([1, 2]));
        }
        return vicidial.store.findInSource(verb, ids);
      },
    };
    const office = createOfficeClock(host, { dearchive: { allowed: "any" }, archive: { allowed: "any" } }, "UTC");
    const routes = createRoutes({ host, store, office, nonAgentApi: async () => new Response() }, readOptions({}));
    const body = { message, select_count: 2, insert_count: 2, delete_count: 2 };
    expect(await call({ routes }, makeBody([1, 2]))).toMatchObject({ status: 200, body, replayed: "true" });
    expect(await call({ routes }, makeBody([1, 2]), { key: "second" })).toMatchObject({ status: 400 });
  });
});

// A process of its own that answers one call, and is killed when the leads have been moved.
const killed = `
  import { createHost } from "@reinstate/batch-core";
  import { createOperations } from ${JSON.stringify(new URL("../operations/operations.ts", import.meta.url).href)};
  import { readOptions } from ${JSON.stringify(new URL("../options.ts", import.meta.url).href)};
  import { createRoutes } from ${JSON.stringify(new URL("./routes.ts", import.meta.url).href)};
  import { createMariadbStore } from ${JSON.stringify(new URL("../store/mariadb/mariadb-store.ts", import.meta.url).href)};
  const { ledger, url, headers, body } = JSON.parse(process.env.CALL);
  const host = await createHost({ databaseUrl: ledger, role: "web" });
  const store = await createMariadbStore(host, {
    url, leadsPerLock: 50, lockWaitSeconds: 5, journalDays: 1,
    async onStep(step) {
      if (step === "released") process.kill(process.pid, "SIGKILL");
    },
  });
  const office = { isAllowed: async () => true, allowedFrom: (_verb, now) => now, hours: () => undefined };
  host.register(...createOperations(store, office, () => Date.now()));
  const routes = createRoutes({ host, store, office, nonAgentApi: async () => new Response() }, readOptions({}));
  await routes.fetch(new Request("http://localhost/vicidial/leads/dearchive", { method: "POST", headers, body }));
  console.log("it was not killed");
  process.exit();
`;

test("answers a killed call after another process has finished it", async () => {
  await using database = await mariadbDatabase();
  await using ledger = sqliteDatabase();
  const admin = await mysql.createConnection({ uri: database.url });
  for (const statement of leadTables({ live: "MyISAM", archive: "MyISAM" })) await admin.query(statement);
  const ids = Array.from({ length: 130 }, (_, index) => index + 1);
  const leads = ids.map((id) => makeLead(id));
  await insertRows(admin, "vicidial_list_archive", leads);
  const counted = async (table: string) => {
    const [rows] = await admin.query<RowDataPacket[]>(`SELECT COUNT(*) AS leads FROM ${table}`);
    return Number(rows[0]?.leads);
  };

  const before = await createHost({ databaseUrl: ledger.url, role: "web" });
  await before.keys.create({ vendor: "vicidial", secret });
  await before.close();
  const headers = { authorization: `Key=${secret}`, "idempotency-key": "first" };
  const child = spawnSync(process.execPath, ["--no-warnings", "--input-type=module", "-e", killed], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    env: {
      ...process.env,
      CALL: JSON.stringify({ ledger: ledger.url, url: database.url, headers, body: makeBody(ids) }),
    },
  });
  expect([child.signal, child.stdout, child.stderr]).toEqual(["SIGKILL", "", ""]);
  expect(await counted("vicidial_list")).toBeGreaterThanOrEqual(50);

  // No worker has taken over yet.
  const waiting = await createHost({ databaseUrl: ledger.url, role: "web" });
  const meanwhile = await createVicidial(waiting, { url: database.url });
  expect(await call(meanwhile, makeBody(ids))).toMatchObject({
    status: 500,
    body: { message: "The first request with this Idempotency-Key is still being worked on" },
    retryAfter: "1",
  });
  await meanwhile.close();
  await waiting.close();

  // Later than every lease of a killed worker.
  const later = { ...systemClock, now: () => systemClock.now() + 60_000 };
  const host = await createHost({ databaseUrl: ledger.url, clock: later });
  const vicidial = await createVicidial(host, { url: database.url });
  const [batch] = await host.batches.list({ limit: 1 });
  await host.batches.wait(batch?.id ?? 0);
  expect(await call(vicidial, makeBody(ids))).toMatchObject({
    status: 200,
    body: { message, select_count: 130, insert_count: 130, delete_count: 130 },
    batch: String(batch?.id),
    replayed: "true",
  });
  expect([await counted("vicidial_list"), await counted("vicidial_list_archive")]).toEqual([130, 0]);
  await vicidial.close();
  await host.close();
  await admin.end();
});
