import { spawn } from "node:child_process";
import { createHost, systemClock } from "@reinstate/batch-core";
import { until } from "@reinstate/batch-core/testing";
import { bundleText } from "@reinstate/tooling/bundle";
import { mariadbDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { createRoutes } from "../../http/routes.ts";
import { makeLead } from "../../leads/make-lead.ts";
import type { Move } from "../../leads/move-types.ts";
import { createOperations } from "../../operations/operations.ts";
import { readOptions } from "../../options.ts";
import { underLocks } from "./locks.ts";
import { createMariadbStore } from "./mariadb-store.ts";
import { preflight, statementsFor } from "./plan.ts";
import type { Step } from "./slice.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const secret = "a-key-of-the-tests";
const leadIds = Array.from({ length: 500 }, (_, index) => index + 1);
const none = { transaction: undefined as never };
const move: Move = { verb: "dearchive", ids: leadIds, insert: true, update: false, delete: true, allOrNothing: true };

type Place = Awaited<ReturnType<typeof start>>;

/** 500 archived leads, of which single ones can be removed by another session. */
async function start(engine: string) {
  const database = await mariadbDatabase();
  const ledger = sqliteDatabase();
  const admin = await mysql.createConnection({ uri: database.url });
  for (const statement of leadTables({ live: engine, archive: engine })) await admin.query(statement);
  await insertRows(
    admin,
    archive,
    leadIds.map((id) => makeLead(id)),
  );
  const other = await mysql.createConnection({ uri: database.url });
  await other.query("SET innodb_lock_wait_timeout = 60");
  const idsIn = async (table: string) => {
    const [rows] = await admin.query<RowDataPacket[]>(`SELECT lead_id FROM ${table} ORDER BY lead_id`);
    return rows.map((row) => Number(row.lead_id));
  };
  return {
    admin,
    url: database.url,
    ledger: ledger.url,
    /** Removes a lead from the archive. Returns true if it was there. */
    async remove(id: number) {
      const [result] = await other.query<mysql.ResultSetHeader>(`DELETE FROM ${archive} WHERE lead_id = ?`, [id]);
      return result.affectedRows === 1;
    },
    /** How many leads each table holds, of those that are in one of them alone or in both. */
    async counts() {
      await admin.query(`LOCK TABLES ${live} READ, ${archive} READ`);
      const [inLive, inArchive] = [await idsIn(live), await idsIn(archive)];
      await admin.query("UNLOCK TABLES");
      return { live: inLive.length, archive: inArchive.length };
    },
    async [Symbol.asyncDispose]() {
      await other.end();
      await admin.end();
      await database[Symbol.asyncDispose]();
      await ledger[Symbol.asyncDispose]();
    },
  };
}

const always = {
  isAllowed: async () => true,
  allowedFrom: (_verb: unknown, now: number) => now,
  hours: () => undefined,
};

/** By this clock every lease of a killed process is over. */
const aheadMs = 60_000;
const later = { ...systemClock, now: () => systemClock.now() + aheadMs };

/** The leads API of a process that lives on the ledger of the place. `onStep` is called at each step of a move. */
async function serve(place: Place, { onStep = async (_step: Step) => {}, role = "web" as "web" | "all" } = {}) {
  const host = await createHost({ databaseUrl: place.ledger, role, clock: later });
  if (!(await host.keys.find("vicidial", secret))) await host.keys.create({ vendor: "vicidial", secret });
  // The server may have been started a minute ago, but not after a move by the clock of the killed process.
  const settings = { url: place.url, leadsPerLock: 50, lockWaitSeconds: 20, journalDays: 1, clockSkewMs: -aheadMs };
  const store = await createMariadbStore(host, { ...settings, onStep });
  host.register(...createOperations(store, always, () => host.clock.now()));
  const nonAgentApi = async () => new Response();
  const routes = createRoutes({ host, store, office: always, nonAgentApi }, readOptions({ url: place.url }));
  return {
    host,
    store,
    async call(lead_ids: readonly number[] = leadIds, query = "") {
      const response = await routes.fetch(
        new Request(`http://localhost/vicidial/leads/dearchive${query}`, {
          method: "POST",
          headers: { authorization: `Key=${secret}` },
          body: JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids }),
        }),
      );
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await store.close();
    },
  };
}

const all = { live: 500, archive: 0 };
const unmoved = { live: 0, archive: 500 };

// A process of its own that answers one call, and is killed at a step.
const mover = await bundleText(
  `
  import { createHost } from "@reinstate/batch-core";
  import { createOperations } from "../../operations/operations.ts";
  import { createMariadbStore } from "./mariadb-store.ts";
  const { ledger, url, step, ids, params } = JSON.parse(process.env.MOVE);
  const host = await createHost({ databaseUrl: ledger, role: "web" });
  const store = await createMariadbStore(host, {
    url, leadsPerLock: 50, lockWaitSeconds: 20, journalDays: 1,
    async onStep(now) {
      if (now === step) process.kill(process.pid, "SIGKILL");
    },
  });
  const always = { isAllowed: async () => true, allowedFrom: (_verb, now) => now, hours: () => undefined };
  host.register(...createOperations(store, always, () => Date.now()));
  console.log("at work");
  await host.batches.submit({ operation: "vicidial.leads.dearchive", items: ids, params, inline: true });
  process.exit();
`,
  import.meta.dirname,
);

/** Has another process do the call. It is killed at a step, or the given milliseconds after it began. */
function runKilled(place: Place, { step, afterMs }: { step?: Step; afterMs?: number }) {
  const params = { insert_leads: true, delete_leads: true, all_or_nothing: true };
  const MOVE = JSON.stringify({ ledger: place.ledger, url: place.url, step, ids: leadIds, params });
  const child = spawn(process.execPath, ["--no-warnings", mover], {
    env: { ...process.env, MOVE },
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.once("data", () => {
    if (afterMs !== undefined) setTimeout(() => child.kill("SIGKILL"), afterMs);
  });
  return new Promise<NodeJS.Signals | null>((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
}

describe.each(["MyISAM", "InnoDB"])("an all-or-nothing call of 500 leads on %s", (engine) => {
  test.each(["existing", "journaled", "locked", "released", "finished"] as const)(
    "moves all or none if another session removes a lead when %s",
    async (phase) => {
      await using place = await start(engine);
      let removal: Promise<boolean> | undefined;
      const remove = async () => {
        removal ??= place.remove(500);
        // Under the lock it has to wait.
        if (phase !== "locked") await removal;
      };
      await using server = await serve(place, { onStep: async (step) => (step === phase ? remove() : undefined) });
      const { findInSource: existing } = server.store;
      server.store.findInSource = async (verb, ids) => {
        const found = await existing(verb, ids);
        if (phase === "existing") await remove();
        return found;
      };
      const { status, body } = await server.call();
      if (await removal) {
        expect([status, body.message, body.lead_ids]).toEqual([400, "lead_ids does not exist", [500]]);
        expect(await place.counts()).toEqual({ live: 0, archive: 499 });
      } else {
        expect([status, body]).toMatchObject([200, { select_count: 500, insert_count: 500, delete_count: 500 }]);
        expect(await place.counts()).toEqual(all);
      }
      expect(await removal).toBe(phase === "existing" || phase === "journaled");
    },
  );

  test("moves all or none if another session removes leads at any time", async () => {
    await using place = await start(engine);
    await using server = await serve(place);
    for (let round = 0; round < 4; round++) {
      for (const table of [live, archive]) await place.admin.query(`DELETE FROM ${table}`);
      await insertRows(
        place.admin,
        archive,
        leadIds.map((id) => makeLead(id)),
      );
      const answer = server.call();
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
      const id = 1 + Math.floor(Math.random() * 500);
      const removed = await place.remove(id);
      const { status, body } = await answer;
      expect([status, body.lead_ids, await place.counts()]).toEqual(
        removed ? [400, [id], { live: 0, archive: 499 }] : [200, undefined, all],
      );
    }
  });

  test.each(["journaled", "locked", "released", "finished"] as const)(
    "has moved all or none before the next answer if the process is killed when %s",
    async (step) => {
      await using place = await start(engine);
      expect(await runKilled(place, { step })).toBe("SIGKILL");
      await using server = await serve(place);
      const { body } = await server.call(leadIds, "?explain=true");
      const verdicts = new Set((body.leads as { verdict: string }[]).map(({ verdict }) => verdict));
      const moved = step === "released" || step === "finished";
      expect([[...verdicts], await place.counts()]).toEqual(moved ? [["missing"], all] : [["archive_only"], unmoved]);
    },
  );

  test("has moved all or none before the next answer if the process is killed at any time", async () => {
    await using place = await start(engine);
    let killed = 0;
    for (let round = 0; round < 3; round++) {
      if ((await runKilled(place, { afterMs: Math.random() * 120 })) === "SIGKILL") killed++;
      await using server = await serve(place);
      const { body } = await server.call([1], "?explain=true");
      const moved = (body.leads as { verdict: string }[])[0]?.verdict === "missing";
      expect(await place.counts()).toEqual(moved ? all : unmoved);
      await server.store.move({ ...move, verb: "archive", allOrNothing: false }, none);
    }
    expect(killed).toBeGreaterThan(0);
  });

  describe.each([
    { drift: "is refused", change: "ADD CHECK (called_count < 200)", values: "called_count = 200" },
    { drift: "would be changed", change: "MODIFY phone_number DOUBLE", values: "phone_number = '0312'" },
  ])("of which one lead $drift by the target", ({ change, values }) => {
    async function startUnfit() {
      const place = await start(engine);
      await place.admin.query(`ALTER TABLE ${live} ${change}`);
      await place.admin.query(`UPDATE ${archive} SET ${values} WHERE lead_id = 250`);
      return place;
    }

    test.each(["journaled", "locked", "copied", "finished"] as const)(
      "has moved none before the next answer if the process is killed when %s",
      async (step) => {
        await using place = await startUnfit();
        // It does not come to an end.
        expect(await runKilled(place, { step })).toBe(step === "finished" ? null : "SIGKILL");
        if (step === "copied" && engine === "MyISAM") expect((await place.counts()).live).toBeGreaterThan(498);
        await using server = await serve(place);
        const { body } = await server.call(leadIds, "?explain=true");
        const verdicts = new Set((body.leads as { verdict: string }[]).map(({ verdict }) => verdict));
        expect([[...verdicts], await place.counts()]).toEqual([["archive_only"], unmoved]);
        expect(await server.call()).toMatchObject({
          status: 500,
          body: { message: expect.stringMatching(/^No lead was moved: lead 250 was kept: [^;]+$/), lead_ids: [] },
        });
        expect(await place.counts()).toEqual(unmoved);
      },
    );

    test("has moved none before the next answer if the process is killed at any time", async () => {
      await using place = await startUnfit();
      for (let round = 0; round < 3; round++) {
        await runKilled(place, { afterMs: Math.random() * 150 });
        await using server = await serve(place);
        await server.call([1], "?explain=true");
        expect(await place.counts()).toEqual(unmoved);
      }
    });
  });

  test("ignores a lead that was removed before the lock", async () => {
    await using place = await start(engine);
    await runKilled(place, { step: "journaled" });
    await place.remove(7);
    await using server = await serve(place);
    const { status, body } = await server.call();
    expect([status, body.lead_ids, await place.counts()]).toEqual([400, [7], { live: 0, archive: 499 }]);
  });

  test("says of a repeated batch what became of each lead", async () => {
    for (const [step, lead] of [
      ["locked", "a lead that is gone"],
      ["released", "nothing"],
    ] as const) {
      await using place = await start(engine);
      expect(await runKilled(place, { step })).toBe("SIGKILL");
      if (lead !== "nothing") await place.remove(7);
      await using server = await serve(place, { role: "all" });
      const batch = await until(async () => {
        const [batch] = await server.host.batches.list({ limit: 1 });
        return batch?.status === "completed" && batch;
      });
      const { items } = await server.host.batches.items(batch.id, { limit: 500 });
      const codes = new Map<string, number>();
      for (const { code, outcome } of items) {
        const end = String(code ?? outcome);
        codes.set(end, (codes.get(end) ?? 0) + 1);
      }
      expect([step, Object.fromEntries(codes), await place.counts()]).toEqual(
        lead === "nothing"
          ? [step, { done: 500 }, all]
          : [step, { missing: 1, not_moved: 499 }, { live: 0, archive: 499 }],
      );
      if (lead === "nothing")
        expect(batch.tally).toMatchObject({ select_count: 500, insert_count: 500, delete_count: 500 });
    }
  });

  test("is done or undone if its statement is killed", async () => {
    await using place = await start(engine);
    for (const kill of ["KILL QUERY", "KILL"]) {
      await using server = await serve(place);
      let over = false;
      const answer = server.call().finally(() => {
        over = true;
      });
      await until(
        async () => {
          const [rows] = await place.admin.query<RowDataPacket[]>(
            "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'INSERT INTO `vicidial_list`%'",
          );
          if (rows[0]) await place.admin.query(`${kill} ${rows[0].id}`).catch(() => {});
          return over || rows.length > 0;
        },
        { pollMs: 1 },
      );
      const { status } = await answer;
      const { body } = await server.call([1], "?explain=true");
      const moved = (body.leads as { verdict: string }[])[0]?.verdict === "missing";
      expect([kill, status === 200 || !moved || engine === "MyISAM", await place.counts()]).toEqual([
        kill,
        true,
        moved ? all : unmoved,
      ]);
      await server.store.move({ ...move, verb: "archive", allOrNothing: false }, none);
    }
  });

  test("moves an API call under one lock", async () => {
    await using place = await start(engine);
    const steps: Step[] = [];
    await using server = await serve(place, { onStep: async (step) => void steps.push(step) });
    expect((await server.call()).status).toBe(200);
    expect(steps).toEqual(["journaled", "locked", "released", "finished"]);
  });
});

describe("an interrupted call on MyISAM", () => {
  const copyUpTo = (id: number) => `INSERT INTO ${live} SELECT * FROM ${archive} WHERE lead_id <= ${id}`;

  test.each([
    { name: "with some leads copied", writes: [copyUpTo(200)] },
    { name: "with all leads copied", writes: [copyUpTo(500)] },
    { name: "with some leads deleted", writes: [copyUpTo(500), `DELETE FROM ${archive} WHERE lead_id <= 100`] },
  ])("is finished $name before another worker says that leads do not exist", async ({ writes }) => {
    await using place = await start("MyISAM");
    // This worker is there before the other dies, and hears nothing of it.
    await using server = await serve(place);
    expect((await server.call([], "?explain=true")).status).toBe(400);
    await runKilled(place, { step: "locked" });
    for (const write of writes) await place.admin.query(write);
    const { status, body } = await server.call();
    expect([status, body.message, await place.counts()]).toEqual([400, "lead_ids does not exist", all]);
    expect(body.lead_ids).toEqual(leadIds);
  });

  test("ignores a lead that was brought back after its move", async () => {
    await using place = await start("MyISAM");
    await runKilled(place, { step: "finished" });
    await place.admin.query(`INSERT INTO ${archive} SELECT * FROM ${live} WHERE lead_id = 7`);
    await place.admin.query(`DELETE FROM ${live} WHERE lead_id = 7`);
    await using server = await serve(place);
    await server.call([1], "?explain=true");
    expect(await place.counts()).toEqual({ live: 499, archive: 1 });
  });
});

test("ignores a lead inserted after the images were read", async () => {
  await using place = await start("InnoDB");
  await insertRows(place.admin, live, [makeLead(1), makeLead(2)]);
  const connection = await mysql.createConnection({ uri: place.url, multipleStatements: true, dateStrings: true });
  const plan = await preflight(connection);
  const statements = statementsFor(plan, "dearchive");
  // As if lead 2 had been inserted between the two reads.
  const before = { ...statements, images: `${statements.images} AND s.lead_id <> 2` };
  await underLocks(connection, plan, before, [1, 2], async ({ images, duplicates, commit }) => {
    expect([[...images.keys()], [...duplicates.keys()]]).toEqual([[1], [1]]);
    await commit();
  });
  await connection.end();
});
