import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { vendors } from "../../all-vendors.ts";
import { readSettings } from "../../config.ts";
import { openWorkplace, readEvents } from "../../testing/command-line.ts";
import { demoSubscription } from "../../testing/demo-subscription.ts";
import { startGateway } from "../../testing/gateway-process.ts";
import { openVendors } from "../context.ts";

const ledgerTable = /^(reinstate_|sqlite_)/;

/** Returns the digest of each table of the vendors: its schema and its rows. */
function hashVendorTables(databaseUrl: string): Record<string, string> {
  const db = new DatabaseSync(databaseUrl.slice("sqlite:".length), { readOnly: true });
  try {
    const tables = db.prepare("select name, sql from sqlite_schema where type = 'table'").all();
    const hashes: Record<string, string> = {};
    for (const { name, sql } of tables as { name: string; sql: string }[]) {
      if (ledgerTable.test(name)) continue;
      const hash = createHash("sha256").update(sql);
      for (const row of db.prepare(`select * from "${name}"`).iterate()) hash.update(JSON.stringify(row));
      hashes[name] = hash.digest("hex");
    }
    return hashes;
  } finally {
    db.close();
  }
}

const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Dry runs of demo records, some of which a real run would change. */
const dryRuns = [
  { operation: "altcraft.subscriptions.undelete", items: [demoSubscription] },
  { operation: "firstpromoter.promoters.restore", account: "acc_demo", items: ids(899, 1001), done: 2 },
  { operation: "firstpromoter.promoters.archive", account: "acc_demo", items: ids(899, 910), done: 10 },
  { operation: "vicidial.leads.dearchive", items: ids(1, 600), params: { insert_leads: true, delete_leads: true } },
];

/** Dry runs at the vendors, with the end of each. */
const upstreamDryRuns = [
  {
    line: "restore firstpromoter --account acc_demo --ids 899-902,2000",
    ...{ done: 2, skipped: 2, failed: 1 },
    failures: [
      { outcome: "skipped", code: "not_archived", count: 2 },
      { outcome: "failed", code: "not_found", count: 1 },
    ],
    estimate: { chunks: 1, requests: 4, earliest_start: expect.any(String), duration_ms: expect.any(Number) },
  },
  {
    line: "restore altcraft --file subscriptions.ndjson",
    ...{ done: 1, skipped: 0, failed: 1 },
    failures: [{ outcome: "failed", code: "not_found", count: 1 }],
    estimate: { chunks: 1, requests: 2, earliest_start: expect.any(String), duration_ms: expect.any(Number) },
  },
  {
    line: "restore vicidial --ids 1-600,2000",
    ...{ done: 600, skipped: 0, failed: 1 },
    failures: [{ outcome: "failed", code: "missing", count: 1 }],
    estimate: { chunks: 2, requests: 2, earliest_start: expect.any(String) },
  },
];

describe("a dry run", () => {
  test("changes no row of any vendor", async () => {
    await using database = sqliteDatabase();
    const settings = readSettings({ env: { REINSTATE_DATABASE_URL: database.url, REINSTATE_DEMO: "true" }, vendors });
    const names = vendors.map(({ name }) => name);
    const opened = await openVendors(settings, vendors);
    try {
      const before = hashVendorTables(database.url);
      for (const vendor of names) expect(Object.keys(before).join(), vendor).toContain(`${vendor}_`);
      for (const { done, ...dryRun } of dryRuns) {
        const batch = await opened.host.batches.submit({ ...dryRun, dryRun: true, inline: true });
        expect(batch).toMatchObject({ status: "completed", counts: { done: done ?? dryRun.items.length } });
      }
      expect(hashVendorTables(database.url)).toEqual(before);
    } finally {
      await opened.close();
    }
  });

  test("of an undo counts the outcomes and changes nothing", async () => {
    await using place = openWorkplace();
    const account = ["--account", "acc_demo"];
    await place.run(["restore", "firstpromoter", "--ids", "1-700", ...account, "--no-report"]);
    await place.run(["archive", "firstpromoter", "--ids", "1-5", ...account, "--no-report"]);
    const before = hashVendorTables(place.databaseUrl);
    const { status, out, err } = await place.run(["batches", "undo", "1", "--dry-run", "--json"]);
    expect(status, err).toBe(0);
    expect(err).toMatch(/^Batch 3: dry run of the undo of batch 1, nothing is changed; in this process/);
    expect(readEvents(out).at(-1)).toMatchObject({
      event: "finished",
      ...{ done: 695, skipped: 5, failed: 0, next: null },
      failures: [{ outcome: "skipped", code: "already_archived", count: 5 }],
      estimate: { chunks: 2, requests: 0, earliest_start: expect.any(String) },
    });
    expect(hashVendorTables(place.databaseUrl)).toEqual(before);
  });

  test("at each vendor counts the outcomes and changes nothing", async () => {
    await using vendorPlace = openWorkplace();
    await using gateway = await startGateway({ ...vendorPlace.settings, LOG_LEVEL: "silent" });
    await using place = openWorkplace({
      REINSTATE_FIRSTPROMOTER_UPSTREAM_URL: `${gateway.baseUrl}/api/v2/company`,
      REINSTATE_FIRSTPROMOTER_UPSTREAM_KEY: "demo-firstpromoter-key",
      REINSTATE_FIRSTPROMOTER_UPSTREAM_ACCOUNT: "acc_demo",
      REINSTATE_ALTCRAFT_UPSTREAM_URL: `${gateway.baseUrl}/api/v1.1`,
      REINSTATE_ALTCRAFT_UPSTREAM_TOKEN: "demo-altcraft-token",
      REINSTATE_VICIDIAL_UPSTREAM_URL: gateway.baseUrl,
      REINSTATE_VICIDIAL_UPSTREAM_KEY: "demo-vicidial-key",
    });
    const subscriptions = [demoSubscription, { ...demoSubscription, email: "none@example.com" }];
    place.write("subscriptions.ndjson", subscriptions.map((item) => `${JSON.stringify(item)}\n`).join(""));
    const before = hashVendorTables(vendorPlace.databaseUrl);
    for (const { line, ...expected } of upstreamDryRuns) {
      const { status, out, err } = await place.run(`${line} --target upstream --dry-run --no-report --json`.split(" "));
      expect(status, err).toBe(3);
      expect(readEvents(out).at(-1), line).toMatchObject(expected);
    }
    expect(hashVendorTables(vendorPlace.databaseUrl)).toEqual(before);
  });

  test("shows its estimate at the end, and again later", async () => {
    // Open for one minute a week, so that a real run waits and a dry run does not.
    await using place = openWorkplace({ REINSTATE_VICIDIAL_DEARCHIVE_HOURS: "inside 00:00-00:01 sun" });
    const { status, out, err } = await place.run(
      "restore vicidial --ids 1-600,2000 --dry-run --no-report --json".split(" "),
    );
    expect(status).toBe(3);
    expect(readEvents(out).at(-1)).toMatchObject({
      done: 600,
      failed: 1,
      failures: [{ outcome: "failed", code: "missing", count: 1 }],
      estimate: { limited_by: "office_hours" },
    });
    const [, estimate] = /^For real: (\d chunks?, limited by office hours, from .+)$/m.exec(err) ?? [];
    expect(estimate, err).toBeDefined();
    expect((await place.run(["batches", "show", "1"])).out).toMatch(new RegExp(`^Estimate +${estimate}$`, "m"));
  });
});
