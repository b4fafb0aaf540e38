import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { vendors } from "../../all-vendors.ts";
import { readSettings } from "../../config.ts";
import { openWorkplace, readEvents } from "../../testing/command-line.ts";
import { demoSubscription } from "../../testing/demo-subscription.ts";
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
