import { randomBytes } from "node:crypto";
import { createTestHost, until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { type PrivateService, privateMariadb } from "@reinstate/tooling/services";
import mysql, { type Connection, type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dialerTables } from "../../fixtures/dialer-tables.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { createNonAgentApi } from "../../http/non-agent-api.ts";
import { createRoutes } from "../../http/routes.ts";
import { makeLead } from "../../leads/make-lead.ts";
import { createOperations } from "../../operations/operations.ts";
import { readOptions } from "../../options.ts";
import { createMariadbStore } from "./mariadb-store.ts";
import type { Step } from "./slice.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const ids = Array.from({ length: 120 }, (_, index) => index + 1);
/** Of an answer while the server is silent; the rest is for a machine that is busy with other tests. */
const limitMs = 10_000 + 5_000;

let server: PrivateService;
let root: Connection;
beforeAll(async () => {
  server = await privateMariadb([]);
  root = await mysql.createConnection({ uri: server.url });
}, 120_000);
afterAll(() => {
  root.destroy();
  server.resume();
  server.stop();
});

const always = {
  isAllowed: async () => true,
  allowedFrom: (_verb: unknown, now: number) => now,
  hours: () => undefined,
};
const user = {
  user: "6666",
  pass: "1234",
  user_group: "ADMIN",
  user_level: 9,
  active: "Y",
  modify_leads: "1",
  vdc_agent_api_access: "1",
  api_allowed_functions: " lead_dearchive ",
};

/** Leads in the archive of a database of this server, and both APIs in front of it. */
async function serve(engine: string) {
  const name = `silent_${randomBytes(5).toString("hex")}`;
  await root.query(`CREATE DATABASE ${name} DEFAULT CHARACTER SET utf8mb3`);
  const url = Object.assign(new URL(server.url), { pathname: name }).href;
  await root.query(`USE ${name}`);
  for (const statement of [...leadTables({ live: engine, archive: engine }), ...dialerTables])
    await root.query(statement);
  await insertRows(
    root,
    archive,
    ids.map((id) => makeLead(id)),
  );
  await insertRows(root, "vicidial_users", [user]);
  await insertRows(root, "vicidial_user_groups", [{ user_group: "ADMIN", allowed_campaigns: " -ALL-CAMPAIGNS- -" }]);
  const ledger = sqliteDatabase();
  const host = await createTestHost({ databaseUrl: ledger.url });
  const { secret } = await host.keys.create({ vendor: "vicidial" });
  let onStep = async (_step: Step) => {};
  const store = await createMariadbStore(host, {
    url,
    leadsPerLock: 50,
    lockWaitSeconds: 3,
    journalDays: 1,
    onStep: (step) => onStep(step),
  });
  host.register(...createOperations(store, always, () => host.clock.now()));
  const nonAgentApi = createNonAgentApi(host, store.otherTables, always);
  const routes = createRoutes({ host, store, office: always, nonAgentApi }, readOptions({ url }));
  const timed = async (path: string, init: RequestInit = {}) => {
    const started = performance.now();
    const response = await routes.fetch(new Request(`http://localhost${path}`, init));
    return { response, text: await response.text(), ms: performance.now() - started };
  };
  const idsIn = async (table: string) =>
    (await root.query<RowDataPacket[]>(`SELECT lead_id FROM ${table} ORDER BY lead_id`))[0].map((row) =>
      Number(row.lead_id),
    );
  return {
    host,
    store,
    pauseAt(wanted: Step) {
      onStep = async (step) => {
        if (step !== wanted) return;
        onStep = async () => {};
        server.pause();
      };
    },
    dearchive: (word: string, leads: readonly number[]) =>
      timed(`/vicidial/${word}/dearchive`, {
        method: "POST",
        headers: { authorization: `Key=${secret}` },
        body: JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids: leads }),
      }),
    askNative: (id: number) => {
      const { user: name, pass } = user;
      const query = { source: "test", user: name, pass, function: "lead_dearchive", lead_id: String(id) };
      return timed(`/vicidial/non_agent_api.php?${new URLSearchParams(query)}`);
    },
    rows: async () => ({ live: await idsIn(live), archive: await idsIn(archive) }),
    async [Symbol.asyncDispose]() {
      server.resume();
      await host.close();
      await store.close();
      await ledger[Symbol.asyncDispose]();
    },
  };
}

type Reply = Awaited<ReturnType<Awaited<ReturnType<typeof serve>>["dearchive"]>>;

function expectUnavailable({ response, text, ms }: Reply): void {
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
  expect(ms).toBeLessThan(limitMs);
  expect(text).not.toMatch(/127\.0\.0\.1|silent_|packets|mysql/i);
}

describe.each(["MyISAM", "InnoDB"])("a silent MariaDB, %s", (engine) => {
  test("is answered with 503 in time by every API", { timeout: 120_000 }, async () => {
    await using place = await serve(engine);
    await place.store.ready();
    await place.dearchive("leads", [1]);
    server.pause();
    const answers = await Promise.all([
      ...Array.from({ length: 6 }, (_, index) => place.dearchive("leads", [index + 2])),
      place.dearchive("lead", [20]),
      place.askNative(21),
    ]);
    for (const answer of answers) expectUnavailable(answer);
    expect(JSON.parse(answers[6]?.text ?? "")).toMatchObject({ http_code: 503 });
    expect(answers[7]?.text).toMatch(/^ERROR: lead_dearchive LEAD INSERT FAILED/);
    await expect(place.store.ready()).rejects.toThrow(/cannot be reached|busy/);
    server.resume();
    await until(async () => (await place.dearchive("leads", [30])).response.status !== 503, { timeoutMs: 60_000 });
    expect((await place.rows()).live).toContain(30);
  });

  test.each<Step>(["journaled", "locked"])(
    "during a move is answered for in time, and the batch goes on (%s)",
    { timeout: 120_000 },
    async (step) => {
      await using place = await serve(engine);
      await place.store.ready();
      place.pauseAt(step);
      const answer = await place.dearchive("leads", ids);
      expectUnavailable(answer);
      const batch = Number(answer.response.headers.get("x-reinstate-batch"));
      server.resume();
      if (batch > 0) {
        const ended = await until(
          async () => {
            const now = await place.host.batches.get(batch);
            return now.status !== "in_progress" && now.status !== "pending" && now;
          },
          { timeoutMs: 90_000 },
        );
        if (ended.status === "completed") {
          expect(await place.rows()).toEqual({ live: ids, archive: [] });
          return;
        }
        // Nothing was written, so the caller was told to try again.
        expect(await place.rows()).toEqual({ live: [], archive: ids });
      }
      await until(async () => (await place.dearchive("leads", ids)).response.status === 200, { timeoutMs: 60_000 });
      expect(await place.rows()).toEqual({ live: ids, archive: [] });
    },
  );
});
