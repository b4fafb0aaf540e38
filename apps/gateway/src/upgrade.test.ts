import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDatabase } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { run } from "./testing/gateway-process.ts";
import { adminSecret, finishedChunks, openSample, samples } from "./testing/half-done.ts";
import { type Dump, describeTables, listDumps, loadDump } from "./testing/schema-dumps.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const dumps = listDumps().map((dump) => ({ ...dump, title: `${dump.name} ${dump.version} on ${dump.dialect}` }));
const openServer = ({ dialect }: Pick<Dump, "dialect">) =>
  (dialect === "sqlite" ? ledgerDatabases[0] : ledgerDatabases[1])!.open();
const size = 20;
const chunkSize = 5;

/** Returns the columns and indexes that a package creates in an empty database. */
async function describeNew(dump: Dump): Promise<string[]> {
  await using server = await openServer(dump);
  await using sample = await openSample(dump.name, server.url, { role: "web" });
  return await describeTables(sample.host.database);
}

describe.each(dumps)("the database of $title", (dump) => {
  test("is upgraded, and its half-done batch is finished", async () => {
    await using server = await openServer(dump);
    await loadDump(dump, server.url);
    const before = openDatabase(server.url);
    const chunks = await sql<{ state: string }>`select state from reinstate_chunks order by seq`.execute(
      before.tables(),
    );
    await before.close();
    expect(chunks.rows.filter(({ state }) => state === "finished")).toHaveLength(finishedChunks);
    expect(chunks.rows).toHaveLength(size / chunkSize);

    await using sample = await openSample(dump.name, server.url, { role: "all" });
    const [open] = await sample.host.batches.list({ limit: 2 });
    const batch = await sample.host.batches.wait(open?.id ?? 0, { pollMs: 5 });
    expect(batch).toMatchObject({
      status: "completed",
      total: size,
      counts: { done: size, skipped: 0, failed: 0, unknown: 0 },
    });
    const countRestored = await sample.countRestored();
    if (countRestored !== undefined) expect(countRestored).toBe(size);
    // Finished chunks do not run again.
    else expect(sample.applied).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    if (dump.name === "batch-core") {
      expect(await sample.host.keys.find("admin", adminSecret)).toMatchObject({ name: "kept" });
    }
    // After a release, a change of the tables is another migration. Before it, `schemas` of the gateway stores them anew.
    expect(await describeTables(sample.host.database)).toEqual(await describeNew(dump));
  });
});

test("each package with tables has a database of its present version", () => {
  const versions = Object.keys(samples).flatMap((name) => {
    const folder = ["packages", "apps"].map((parent) => join(root, parent, name)).find((path) => existsSync(path));
    const { version } = JSON.parse(readFileSync(join(folder ?? name, "package.json"), "utf8")) as { version: string };
    return (["sqlite", "postgres"] as const).map((dialect) => `${name} ${version} on ${dialect}`);
  });
  expect(dumps.map(({ title }) => title)).toEqual(expect.arrayContaining(versions));
});

describe.each([
  { dialect: "sqlite", scope: "reinstate" },
  { dialect: "postgres", scope: "firstpromoter" },
] as const)("an older program", ({ dialect, scope }) => {
  test(`refuses newer tables of ${scope} on ${dialect} with one line`, async () => {
    await using server = await openServer({ dialect });
    await using sample = await openSample("firstpromoter", server.url, { role: "web" });
    const migrations = sql.table(`${scope}_migrations`);
    await sql`insert into ${migrations} (name, timestamp) values ('9999_later', '2030-01-01T00:00:00.000Z')`.execute(
      sample.host.database.tables(),
    );
    const { status, out, err } = await run(["serve"], { PORT: "0", REINSTATE_DATABASE_URL: server.url });
    const line = `reinstate: The tables of ${scope} belong to a newer version (migration 9999_later); start that version, or restore the backup from before the upgrade\n`;
    expect({ status, out, err }).toEqual({ status: 2, out: "", err: line });
  });
});
