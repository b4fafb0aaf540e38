import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "@reinstate/batch-core";
import { until } from "@reinstate/batch-core/testing";
import { privatePostgres } from "@reinstate/tooling/services";
import { mountSmallDisk, type SmallDisk } from "@reinstate/tooling/small-disk";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { expectUnavailable } from "./testing/demo-calls.ts";
import { startGateway } from "./testing/gateway-process.ts";

/** A database on a disk that can be filled. */
interface Subject extends AsyncDisposable {
  url: string;
}

async function onPostgres(disk: SmallDisk): Promise<Subject> {
  const server = await privatePostgres();
  const folder = join(disk.path, "tablespace");
  mkdirSync(folder, { mode: 0o777 });
  if (process.getuid?.() === 0) execFileSync("chown", ["postgres", folder]);
  const database = openDatabase(server.url);
  await sql.raw(`create tablespace small location '${folder}'`).execute(database.tables());
  await sql`create database ledger tablespace small`.execute(database.tables());
  await database.close();
  const url = Object.assign(new URL(server.url), { pathname: "/ledger" }).href;
  return { url, [Symbol.asyncDispose]: async () => server.stop() };
}

const onSqlite = async (disk: SmallDisk): Promise<Subject> => ({
  url: `sqlite:${join(disk.path, "reinstate.db")}`,
  [Symbol.asyncDispose]: async () => {},
});

interface Reply {
  id: number;
  status: string;
  waiting_for: string | null;
  done: number;
  failed: number;
  unknown: number;
}

const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };

test.each([
  ["SQLite", onSqlite],
  ["PostgreSQL", onPostgres],
])("a batch on %s waits while the disk is full and goes on by itself", { timeout: 240_000 }, async (_, open) => {
  using disk = mountSmallDisk(96);
  if (!disk) {
    process.stdout.write(
      "No right to mount a small disk: a quota of pages stands in for it, in storage-fault.test.ts\n",
    );
    return;
  }
  await using subject = await open(disk);
  const settings = { REINSTATE_DATABASE_URL: subject.url, REINSTATE_ENGINE: "in-process", REINSTATE_DEMO: "true" };
  await using web = await startGateway({ ...settings, REINSTATE_ROLE: "web" });
  const call = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${web.baseUrl}${path}`, { headers: admin, ...init });
    return { status: response.status, body: (await response.json()) as Reply };
  };
  // Without the promoters that the other calls of this test may restore.
  const items = Array.from({ length: 800 }, (_, index) => index + 101);
  const body = JSON.stringify({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items });
  const { id } = (await call("/v1/batches", { method: "POST", body })).body;
  disk.fill();
  await using worker = await startGateway({ ...settings, REINSTATE_DEMO: "false", REINSTATE_ROLE: "all" });
  const batch = async () => {
    const response = await fetch(`${worker.baseUrl}/v1/batches/${id}`, { headers: admin });
    return response.ok ? ((await response.json()) as Reply) : undefined;
  };
  const waiting = await until(async () => {
    const now = await batch();
    return now?.waiting_for === "storage" && now;
  });
  expect(waiting).toMatchObject({ failed: 0, unknown: 0 });
  await until(async () => (await fetch(`${worker.baseUrl}/readyz`)).status === 503);
  await expectUnavailable(worker.baseUrl, 20, { mayWork: true });
  disk.empty();
  const ended = await until(
    async () => {
      const now = await batch();
      return now?.status === "completed" && now;
    },
    { timeoutMs: 90_000 },
  );
  expect(ended).toMatchObject({ waiting_for: null, done: items.length, failed: 0, unknown: 0 });
  await until(async () => (await fetch(`${worker.baseUrl}/readyz`)).status === 200, { timeoutMs: 30_000 });
});
