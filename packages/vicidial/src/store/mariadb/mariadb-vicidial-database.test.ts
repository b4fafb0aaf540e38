import { type Clock, systemClock } from "@reinstate/batch-core";
import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial, type Vicidial } from "../../create.ts";
import { emptiedDatabase } from "../../fixtures/emptied-database.test.fixture.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import type { VicidialOptions } from "../../options.ts";

const secret = "a-key-of-the-tests";
const adminKey = "an-admin-key-of-the-tests";

const around = emptiedDatabase();
const { fill, readRows } = around;

async function start(options: VicidialOptions = {}, time = "2026-01-05T12:00:00Z") {
  const now = { value: Date.parse(time) };
  const clock: Clock = { now: () => now.value, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal) };
  const host = await createTestHost({ clock });
  await host.keys.create({ vendor: "vicidial", secret });
  await host.keys.create({ vendor: "admin", secret: adminKey });
  const vicidial = await createVicidial(host, { url: around.url, ...options });
  return {
    host,
    now,
    vicidial,
    async [Symbol.asyncDispose]() {
      await host.close();
      await vicidial.close();
    },
  };
}

const readIds = async (table: string) => (await readRows(table)).map((row) => row.lead_id);

function post(vicidial: Vicidial, path: string, body: unknown, authorization = `Key=${secret}`) {
  const init = { method: "POST", headers: { authorization }, body: JSON.stringify(body) };
  return Promise.resolve(vicidial.routes.fetch(new Request(`http://localhost/vicidial/${path}`, init)));
}

const both = { insert_leads: true, delete_leads: true };

test("explains the state and the related records of each lead", async () => {
  await using setup = await start({ dearchiveHours: "outside 00:00-24:00 mon-sun" });
  await fill("vicidial_lists", [{ list_id: 101, campaign_id: "SALES", active: "Y" }]);
  await fill("vicidial_list_archive", [
    makeLead(3, { list_id: 101, entry_list_id: 101 }),
    makeLead(6, { list_id: 101 }),
    makeLead(9, { list_id: 999, first_name: "José" }),
    makeLead(12, { list_id: 101 }),
  ]);
  await fill("vicidial_list", [
    makeLead(6, { list_id: 101 }),
    makeLead(9, { list_id: 999, first_name: "Jose" }),
    makeLead(12, { list_id: 101, phone_number: "1", entry_date: "2026-01-01 00:00:00" }),
    makeLead(15),
  ]);
  await fill("vicidial_callbacks_archive", [
    { lead_id: 3, status: "ACTIVE" },
    { lead_id: 3, status: "LIVE" },
  ]);
  await fill("vicidial_dnc", [{ phone_number: makeLead(6).phone_number }]);
  const before = [await readRows("vicidial_list"), await readRows("vicidial_list_archive")];
  const response = await post(setup.vicidial, "leads/dearchive?explain=true", {
    ...both,
    lead_ids: [3, 6, 9, 12, 15, 99],
  });
  expect([response.status, response.headers.get("x-reinstate-batch")]).toEqual([200, null]);
  const missing = { verdict: "missing", archive: false };
  expect(await response.json()).toEqual({
    message: "Preview only, nothing was changed",
    select_count: 4,
    leads: [
      {
        lead_id: 3,
        verdict: "archive_only",
        live: false,
        archive: true,
        outcome: "done",
        related_records: { archived_callbacks: 2, lost_custom_fields: 1 },
      },
      {
        lead_id: 6,
        verdict: "both_equal",
        live: true,
        archive: true,
        outcome: "done",
        related_records: { dnc_numbers: 1 },
      },
      {
        lead_id: 9,
        verdict: "both_differ",
        columns: ["first_name"],
        live: true,
        archive: true,
        outcome: "failed",
        code: "differs",
        related_records: { inactive_lists: 1 },
      },
      {
        lead_id: 12,
        verdict: "id_collision",
        columns: ["entry_date", "phone_number"],
        live: true,
        archive: true,
        outcome: "failed",
        code: "id_collision",
      },
      { lead_id: 15, ...missing, live: true, outcome: "skipped", code: "already_there" },
      { lead_id: 99, ...missing, live: false, outcome: "failed", code: "missing" },
    ],
  });
  expect([await readRows("vicidial_list"), await readRows("vicidial_list_archive")]).toEqual(before);
  expect(await setup.host.batches.list({ limit: 1 })).toEqual([]);
});

describe("a batch", () => {
  test("that is tried without effects tells what it would do", async () => {
    await using setup = await start();
    await fill("vicidial_list_archive", [makeLead(1), makeLead(2)]);
    await fill("vicidial_list", [makeLead(2, { comments: "new" })]);
    const operation = "vicidial.leads.dearchive";
    const batch = await setup.host.batches.submit({ operation, items: [1, 2, 3], params: both, dryRun: true });
    expect(batch).toMatchObject({ status: "completed", counts: { done: 1, failed: 2 } });
    const { items } = await setup.host.batches.items(batch.id);
    expect(items.map(({ code, outcome }) => code ?? outcome)).toEqual(["done", "differs", "missing"]);
    expect(await readIds("vicidial_list_archive")).toEqual([1, 2]);
  });

  test("restores callbacks on request, counts related records and logs", async () => {
    await using setup = await start();
    await fill("vicidial_list_archive", [makeLead(1, { list_id: 5 }), makeLead(2, { entry_list_id: 101 })]);
    await fill("vicidial_callbacks_archive", [
      { callback_id: 4, lead_id: 1, status: "ACTIVE", callback_time: "2026-02-01 10:00:00", comments: "Ring José" },
      { callback_id: 5, lead_id: 3, status: "ACTIVE", callback_time: null, comments: null },
    ]);
    await fill("vicidial_list_alt_phones", [{ lead_id: 2, phone_number: "1" }]);
    await fill("custom_101", [{ lead_id: 2, car: "red" }]);
    const params = { ...both, restore_callbacks: true };
    const batch = await setup.host.batches.submit({ operation: "vicidial.leads.dearchive", items: [1, 2], params });
    expect(batch.tally).toMatchObject({
      archived_callbacks: 1,
      restored_callbacks: 1,
      alt_phones: 1,
      inactive_lists: 2,
    });
    expect(batch.tally).not.toHaveProperty("lost_custom_fields");
    expect(await readRows("vicidial_callbacks")).toMatchObject([{ callback_id: 4, lead_id: 1, comments: "Ring José" }]);
    expect(await readRows("vicidial_callbacks_archive")).toMatchObject([{ callback_id: 5 }]);
    expect(await readRows("vicidial_admin_log")).toMatchObject([
      {
        user: "VDAD",
        ip_address: "1.1.1.1",
        event_section: "LISTS",
        event_type: "MODIFY",
        record_id: "leads",
        event_notes: `2 vicidial_list_archive leads de-archived|2 vicidial_list_archive leads deleted|batch ${batch.id}|`,
      },
    ]);
    const back = { ...both, update_leads: false };
    await setup.host.batches.submit({ operation: "vicidial.leads.archive", items: [1, 2], params: back });
    expect((await readRows("vicidial_admin_log"))[1]).toMatchObject({
      event_code: "CAMPAIGN LEAD ARCHIVING",
      event_notes: expect.stringMatching(/^2 vicidial_list leads archived\|2 vicidial_list leads deleted\|/),
    });
    // Only what is asked for comes back.
    expect(await readRows("vicidial_callbacks")).toHaveLength(1);
  });
});

test("keeps a lead on a call, but may copy it", async () => {
  await using setup = await start();
  await fill("vicidial_list", [makeLead(1), makeLead(2), makeLead(3)]);
  await fill("vicidial_auto_calls", [{ lead_id: 1, status: "LIVE" }]);
  await fill("vicidial_live_agents", [{ lead_id: 2, status: "INCALL" }]);
  const body = { ...both, update_leads: true, lead_ids: [1, 2, 3] };
  const explained = (await (await post(setup.vicidial, "leads/archive?explain=true", body)).json()) as {
    leads: { code?: string; outcome: string }[];
  };
  expect(explained.leads.map(({ code, outcome }) => code ?? outcome)).toEqual(["on_call", "on_call", "done"]);
  const request = { operation: "vicidial.leads.archive", items: [1, 2, 3], params: { ...both, update_leads: true } };
  const tried = await setup.host.batches.submit({ ...request, dryRun: true });
  expect(tried.counts).toMatchObject({ done: 1, failed: 2 });

  const answer = await post(setup.vicidial, "leads/archive", body);
  expect([answer.status, await answer.json()]).toMatchObject([
    200,
    { select_count: 3, insert_count: 1, update_count: 0, delete_count: 1 },
  ]);
  const { items } = await setup.host.batches.items(Number(answer.headers.get("x-reinstate-batch")));
  expect(items.map(({ code, outcome }) => code ?? outcome)).toEqual(["on_call", "on_call", "done"]);
  expect([await readIds("vicidial_list"), await readIds("vicidial_list_archive")]).toEqual([[1, 2], [3]]);

  const copied = await post(setup.vicidial, "leads/archive", { ...body, delete_leads: false, lead_ids: [1, 2] });
  expect(await copied.json()).toMatchObject({ select_count: 2, insert_count: 2, delete_count: 0 });
  const back = await post(setup.vicidial, "leads/dearchive", { ...both, lead_ids: [1, 2, 3] });
  expect(await back.json()).toMatchObject({ select_count: 3, insert_count: 1, delete_count: 3 });
});

test("keeps an archived callback that differs from the live one", async () => {
  await using setup = await start();
  await fill("vicidial_list_archive", [makeLead(1)]);
  const callback = { callback_id: 4, lead_id: 1, status: "ACTIVE", callback_time: null, comments: "ring José" };
  await fill("vicidial_callbacks_archive", [callback, { ...callback, callback_id: 5 }]);
  await fill("vicidial_callbacks", [{ ...callback, comments: "Ring Jose " }]);
  const params = { ...both, restore_callbacks: true };
  const batch = await setup.host.batches.submit({ operation: "vicidial.leads.dearchive", items: [1], params });
  expect(batch.tally).toMatchObject({ archived_callbacks: 2, restored_callbacks: 1 });
  expect(await readRows("vicidial_callbacks_archive")).toMatchObject([{ callback_id: 4, comments: "ring José" }]);
  expect((await readRows("vicidial_callbacks")).map((row) => row.comments)).toEqual(["Ring Jose ", "ring José"]);
});

describe("office hours of VICIdial's own call time", () => {
  const callTime = async () => {
    await fill("vicidial_call_times", [
      {
        call_time_id: "office",
        ct_default_start: 900,
        ct_default_stop: 1700,
        ct_sunday_start: 2400,
        ct_sunday_stop: 2400,
        ct_holidays: "|NEWYEAR|",
      },
    ]);
    await fill("vicidial_call_time_holidays", [
      {
        holiday_id: "NEWYEAR",
        holiday_date: "2026-01-06",
        holiday_status: "ACTIVE",
        ct_default_start: 1000,
        ct_default_stop: 1100,
      },
    ]);
  };

  test.each([
    // Five hours behind: half past eight, nine, five; a Sunday; a holiday.
    ["2026-01-05T13:30:00Z", 200],
    ["2026-01-05T14:00:00Z", 403],
    ["2026-01-05T22:00:00Z", 200],
    ["2026-01-04T17:00:00Z", 200],
    ["2026-01-06T14:30:00Z", 200],
    ["2026-01-06T15:30:00Z", 403],
  ])("archive is for outside of them: at %s the answer is %i", async (time, status) => {
    await callTime();
    await using setup = await start({ callTime: "office", timeZone: "America/New_York" }, time);
    await fill("vicidial_list", [makeLead(1)]);
    const body = { ...both, update_leads: false, lead_ids: [1] };
    expect((await post(setup.vicidial, "leads/archive", body)).status).toBe(status);
    expect(await readIds("vicidial_list")).toHaveLength(status === 200 ? 0 : 1);
  });

  test("a batch waits for its hour", async () => {
    await callTime();
    await using setup = await start({ callTime: "office" }, "2026-01-05T16:59:30Z");
    await fill("vicidial_list", [makeLead(1)]);
    const params = { ...both, update_leads: false };
    const batch = await setup.host.batches.submit({ operation: "vicidial.leads.archive", items: [1], params });
    expect(batch.status).toBe("pending");
    setup.now.value = Date.parse("2026-01-05T17:00:10Z");
    expect(await setup.host.batches.wait(batch.id)).toMatchObject({ status: "completed", counts: { done: 1 } });
  });

  test("refuses calls and reports a missing call time", async () => {
    await using setup = await start({ callTime: "nowhere" });
    await fill("vicidial_list", [makeLead(1)]);
    const response = await post(setup.vicidial, "leads/archive", { ...both, update_leads: false, lead_ids: [1] });
    expect([response.status, await response.json()]).toMatchObject([
      500,
      { message: "VICIdial has no call time nowhere; check the option callTime" },
    ]);
  });
});

test("reports findings with statements and runs none of them", async () => {
  await using own = await mariadbDatabase();
  const connection = await mysql.createConnection({ uri: own.url });
  for (const statement of leadTables({ live: "InnoDB", archive: "MyISAM" })) await connection.query(statement);
  const host = await createTestHost({ role: "web" });
  await using _ = host;
  const vicidial = await createVicidial(host, { url: own.url });
  const advised = async () => (await vicidial.doctor()).findings.flatMap(({ advice }) => advice ?? []);
  expect(await advised()).toEqual([]);

  const archive = "vicidial_list_archive";
  await insertRows(connection, "vicidial_list", [makeLead(1), makeLead(2), makeLead(3)]);
  await insertRows(connection, archive, [
    makeLead(1),
    makeLead(2, { comments: "x" }),
    makeLead(3, { phone_number: "9", entry_date: "2026-01-01 00:00:00" }),
  ]);
  expect((await vicidial.doctor()).duplicates).toEqual({ equal: 1, differing: 1, collisions: 1 });

  await connection.query(`ALTER TABLE ${archive} DROP PRIMARY KEY, DROP COLUMN owner, ADD COLUMN fax VARCHAR(20) DEFAULT 'no',
    MODIFY called_since_last_reset ENUM('Y','N') DEFAULT 'N', MODIFY first_name VARCHAR(10) CHARACTER SET latin1,
    MODIFY modify_date TIMESTAMP NULL DEFAULT NULL, MODIFY city VARCHAR(50) AFTER email`);
  await connection.query(`CREATE TRIGGER busy BEFORE INSERT ON ${archive} FOR EACH ROW SET NEW.fax = 'x'`);
  const found = (await vicidial.doctor()).findings.map(({ severity, what }) => `${severity}: ${what}`);
  for (const part of [
    /refused: vicidial_list_archive has no unique key on lead_id/,
    /refused: .* has the trigger busy/,
    /refused: vicidial_list_archive has no column owner/,
    /refused: vicidial_list has no column fax/,
    /note: The tables have different engines/,
    /note: The columns have a different order/,
    /risk: called_since_last_reset is enum/,
    /risk: first_name is varchar\(30\) .* varchar\(10\)/,
    /risk: first_name has the character set utf8mb3 .* latin1/,
    /note: modify_date can be NULL in vicidial_list_archive only/,
  ]) {
    expect(found).toEqual(expect.arrayContaining([expect.stringMatching(part)]));
  }
  // What it advises works, and leaves nothing to be advised.
  await connection.query("DROP TRIGGER busy");
  for (let round = 0; round < 3; round++) for (const statement of await advised()) await connection.query(statement);
  expect(await advised()).toEqual([]);
  await vicidial.close();
  await connection.end();
});
