import { sqliteDatabase } from "@reinstate/tooling/databases";
import { expect, test } from "vitest";
import { run, startGateway } from "./testing/gateway-process.ts";

test("the command prunes old batches, and their ids answer 404 on every API", async () => {
  await using database = sqliteDatabase();
  const settings = { REINSTATE_DATABASE_URL: database.url };
  await using gateway = await startGateway({ ...settings, REINSTATE_DEMO: "true" });
  const headers = {
    authorization: "Bearer demo-firstpromoter-key",
    "account-id": "acc_demo",
    "content-type": "application/json",
  };
  const restore = (id: number) =>
    fetch(`${gateway.baseUrl}/api/v2/company/promoters/restore`, {
      method: "POST",
      headers: { ...headers, "idempotency-key": `key-${id}` },
      body: JSON.stringify({ ids: [id, 100_000] }),
    });
  for (const id of [1, 2, 3]) expect((await restore(id)).status).toBe(200);
  const prune = (...flags: string[]) => run(["batches", "prune", ...flags], settings);

  expect((await prune("--older-than", "0", "--dry-run")).out).toBe("2 batches with 4 items would be pruned\n");
  expect(await prune("--older-than", "0", "--json")).toMatchObject({ status: 0, out: '{"batches":2,"items":4}\n' });
  const status = async (path: string, authorization = headers.authorization) =>
    (await fetch(`${gateway.baseUrl}${path}`, { headers: { ...headers, authorization } })).status;
  expect(await status("/api/v2/company/batch_processes/1")).toBe(404);
  for (const part of ["", "/items", "/report.csv", "/manifest.json", "/events"]) {
    expect([part, await status(`/v1/batches/1${part}`, "Bearer demo-admin-key")]).toEqual([part, 404]);
  }
  expect(await status("/v1/batches/3", "Bearer demo-admin-key")).toBe(200);
  // A key went with its batch.
  expect((await restore(1)).headers.get("x-reinstate-batch")).toBe("4");
});

test("the command prune rejects days that are no number", async () => {
  await using database = sqliteDatabase();
  const flags = ["batches", "prune", "--older-than", "1e3"];
  const { status, err } = await run(flags, { REINSTATE_DATABASE_URL: database.url });
  expect([status, err]).toEqual([2, "reinstate: --older-than must be a whole number from 0 to 36500\n"]);
});
