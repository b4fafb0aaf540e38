import { createInspector, silentLog, systemClock } from "@reinstate/batch-core";
import { createTestHost, until } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import { privateMariadb } from "@reinstate/tooling/services";
import mysql from "mysql2/promise";
import { expect, test } from "vitest";
import { createVicidial } from "../../../create.ts";
import { leadTables } from "../../../fixtures/vicidial-tables.ts";
import { vicidial as vendor } from "../../../vendor.ts";
import { toVendorFinding } from "./inspect.ts";

const clock = systemClock;
const log = silentLog;

test("shows findings with their statements and the versions", async () => {
  await using database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url });
  for (const statement of leadTables({ live: "InnoDB", archive: "MyISAM" })) await admin.query(statement);
  await admin.query("ALTER TABLE vicidial_list_archive DROP COLUMN vendor_lead_code, MODIFY comments TEXT");
  await admin.query("CREATE TABLE system_settings (version VARCHAR(50), db_schema_version INT)");
  await admin.query("INSERT INTO system_settings VALUES ('2.14b0.5', 1720)");
  await admin.end();
  await using host = await createTestHost({ role: "web" });
  const upstream = { upstreamUrl: "http://127.0.0.1:9", upstreamKey: "hunter2" };
  const instance = await createVicidial(host, { url: database.url, ...upstream });
  // A busy machine may need longer than an inspection waits.
  const found = await until(async () => {
    const [found] = await createInspector([{ vendor, instance }], { clock, log }).inspect();
    return found?.inspection?.targets[0]?.reachable && found;
  });
  expect(found.inspection).toMatchObject({
    targets: [
      { target: "local", address: expect.stringMatching(/^mysql:\/\/[^@?]+$/), reachable: true },
      { target: "upstream", address: "http://127.0.0.1:9", reachable: false },
    ],
    versions: { MariaDB: expect.stringMatching(/^\d+\./), VICIdial: "2.14b0.5", "VICIdial schema": "1720" },
  });
  const findings = found.inspection?.findings ?? [];
  expect(findings).toContainEqual({
    level: "error",
    title: "vicidial_list_archive has no column vendor_lead_code",
    detail: "leads cannot be archived",
    sql: expect.stringMatching(/^ALTER TABLE `vicidial_list_archive` ADD COLUMN `vendor_lead_code`/),
  });
  expect(findings.map(({ level }) => level)).toEqual(expect.arrayContaining(["error", "warning", "info"]));
  expect(JSON.stringify(found)).not.toContain("hunter2");
  await instance.close();
});

test("counts rows only for a full inspection", async () => {
  await using database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url });
  for (const statement of leadTables({ live: "InnoDB", archive: "InnoDB" })) await admin.query(statement);
  for (const table of ["vicidial_list", "vicidial_list_archive"])
    await admin.query(`INSERT INTO ${table} (lead_id, phone_number) VALUES (7, '5550100')`);
  await admin.end();
  await using host = await createTestHost({ role: "web" });
  const instance = await createVicidial(host, { url: database.url });
  const readTitles = async (full: boolean) =>
    (await instance.inspect?.({ full }))?.findings.map(({ title }) => title).filter((title) => /^1 lead/.test(title));
  expect(await readTitles(false)).toEqual([]);
  expect(await readTitles(true)).toEqual(["1 leads are in both tables and equal"]);
  await instance.close();
});

test("answers within 2 s for a database that hangs", { timeout: 120_000 }, async () => {
  const server = await privateMariadb([]);
  try {
    const admin = await mysql.createConnection({ uri: server.url });
    await admin.query("CREATE DATABASE asterisk");
    await admin.query("USE asterisk");
    for (const statement of leadTables({ live: "InnoDB", archive: "InnoDB" })) await admin.query(statement);
    await using host = await createTestHost({ role: "web" });
    const instance = await createVicidial(host, {
      url: Object.assign(new URL(server.url), { pathname: "asterisk" }).href,
    });
    const inspector = () => createInspector([{ vendor, instance }], { clock, log });
    expect((await inspector().inspect())[0]?.inspection?.targets).toMatchObject([{ reachable: true }]);
    server.pause();
    for (let round = 0; round < 2; round++) {
      const started = performance.now();
      const [found] = await inspector().inspect();
      // The rest is for a machine that is busy with other tests.
      expect(performance.now() - started).toBeLessThan(2_000 + 1_500);
      expect(found?.fault ?? found?.inspection?.targets[0]?.message).toMatch(/^no answer within (1\.5|2) s$/);
    }
    server.resume();
    await expect
      .poll(async () => (await inspector().inspect())[0]?.inspection?.targets, { timeout: 60_000, interval: 500 })
      .toMatchObject([{ reachable: true }]);
    admin.destroy();
    await instance.close();
  } finally {
    server.resume();
    server.stop();
  }
});

test.each([
  ["refused", "vicidial_list has the trigger t", "error", "No lead can be moved until this is fixed"],
  [
    "risk",
    "comments is text in a and varchar(9) in b: values that do not fit: none",
    "warning",
    "values that do not fit: none",
  ],
  ["note", "The order differs", "info", "For information"],
] as const)("converts a finding that is %s", (severity, what, level, detail) => {
  expect(toVendorFinding({ severity, what })).toEqual({ level, title: what.split(": ")[0], detail });
});
