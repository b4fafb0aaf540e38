import type { Clock } from "@reinstate/batch-core";
import { createTestHost, until } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import { type Move, noCounts } from "../../leads/move-types.ts";
import { createOperations } from "../../operations/operations.ts";
import type { LeadStore, MoveWork } from "../lead-store.ts";
import { createMariadbStore } from "./mariadb-store.ts";
import type { Step } from "./slice.ts";

const archive = "vicidial_list_archive";
const none = { transaction: undefined as never };
const dearchive = (ids: number[]): Move => ({ verb: "dearchive", ids, insert: true, update: false, delete: true });

const engines = [
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
];

async function setUp(engines: { live: string; archive: string }, leads: number[], clock?: Clock) {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url });
  for (const statement of leadTables(engines)) await admin.query(statement);
  await insertRows(
    admin,
    archive,
    leads.map((id) => makeLead(id)),
  );
  const host = await createTestHost({ role: "web", ...(clock && { clock }) });
  const stores: LeadStore[] = [];
  return {
    admin,
    async open(onStep: (step: Step) => Promise<void>, options = {}) {
      const limits = { leadsPerLock: 50, lockWaitSeconds: 1, journalDays: 1 };
      const store = await createMariadbStore(host, { url: database.url, ...limits, ...options, onStep });
      stores.push(store);
      return store;
    },
    /** Ids that are in the archive still. */
    async archived() {
      const [rows] = await admin.query<RowDataPacket[]>(`SELECT lead_id FROM ${archive} ORDER BY lead_id`);
      return rows.map((row) => Number(row.lead_id));
    },
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
      await host.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

describe.each(engines)("movers, live $live, archive $archive", (engines) => {
  test("waits for another mover of the database until a timeout", async () => {
    await using place = await setUp(engines, [1, 2, 3]);
    const steps: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = await place.open(async (step) => {
      steps.push(`first ${step}`);
      // All locks of tables and rows are let go by then, so that nothing but the mover itself is waited for.
      if (step === "finished") await gate.promise;
    });
    const second = await place.open(async (step) => void steps.push(`second ${step}`));
    const moved = first.move(dearchive([1]), none);
    await until(() => steps.includes("first finished"));
    await expect(second.move(dearchive([2]), none)).rejects.toThrow("Another process is moving leads of this database");
    expect([steps.filter((step) => step.startsWith("second")), await place.archived()]).toEqual([[], [2, 3]]);

    const waiting = second.move(dearchive([3]), none);
    await until(async () => {
      const [rows] = await place.admin.query<RowDataPacket[]>(
        "SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE = 'User lock'",
      );
      return rows.length > 0;
    });
    steps.push("let go");
    gate.resolve();
    await moved;
    expect((await waiting).counts.delete_count).toBe(1);
    expect(steps.slice(steps.indexOf("let go"))).toEqual([
      "let go",
      ...["journaled", "locked", "released", "finished"].map((step) => `second ${step}`),
    ]);
  });

  test("does not wait for movers of another database", async () => {
    await using here = await setUp(engines, [1]);
    await using there = await setUp(engines, [1]);
    const gate = Promise.withResolvers<void>();
    const first = await here.open(async (step) => {
      if (step === "finished") await gate.promise;
    });
    const second = await there.open(async () => {});
    const moved = first.move(dearchive([1]), none);
    await until(async () => (await here.archived()).length === 0);
    expect((await second.move(dearchive([1]), none)).counts.delete_count).toBe(1);
    gate.resolve();
    expect((await moved).counts.delete_count).toBe(1);
  });

  test("throttles batches after each lock, and not API calls", async () => {
    let now = Date.UTC(2026, 0, 5, 12);
    const slept: number[] = [];
    const clock: Clock = {
      now: () => now,
      // Over in no time; but for the short wait that is for the images of the rows, which is ended when they are kept.
      async sleep(ms, signal) {
        const seconds = Math.floor(ms / 1000);
        if (seconds > 0) slept.push(seconds);
        else if (!signal?.aborted)
          await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
      },
    };
    await using place = await setUp(engines, [1, 2, 3, 4, 5, 6, 7, 8], clock);
    let slice = 0;
    const store = await place.open(
      async (step) => {
        if (step === "released") now += 1000 * ++slice;
      },
      { leadsPerLock: 1 },
    );
    await store.move(dearchive([1, 2, 3]), { ...none, throttled: true });
    expect(slept).toEqual([1, 2, 3]);
    await store.move(dearchive([4, 5]), none);
    expect(slept).toEqual([1, 2, 3]);
  });
});

test("throttles a batch from its second chunk on", async () => {
  const seen: unknown[] = [];
  const store = {
    effects: "elsewhere",
    async move({ ids }: Move, { throttled }: MoveWork) {
      seen.push([ids.length, throttled]);
      return { counts: noCounts(), results: [] };
    },
  } as Partial<LeadStore> as LeadStore;
  await using host = await createTestHost();
  const always = {
    isAllowed: async () => true,
    allowedFrom: (_verb: unknown, now: number) => now,
    hours: () => undefined,
  };
  host.register(...createOperations(store, always, () => Date.now()));
  const items = Array.from({ length: 501 }, (_, id) => id);
  const params = { insert_leads: true, delete_leads: true };
  const { id } = await host.batches.submit({ operation: "vicidial.leads.dearchive", items, params });
  await host.batches.wait(id);
  expect(seen).toEqual([
    [500, false],
    [1, true],
  ]);
});
