import { describe, expect, test } from "vitest";
import * as z from "zod";
import { createV1Routes } from "./http/v1-routes.ts";
import { defineOperation } from "./operation/operation.ts";
import { createTestHost } from "./testing/test-host.ts";

const touch = defineOperation<number, unknown>({
  name: "test.rows.touch",
  label: "row/touch",
  role: "restore",
  usualParams: { deep: true },
  item: z.int(),
  params: z.object({}),
  key: (item) => item,
  chunkSize: 2,
  inlineLimit: 0,
  apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
});

describe("running one batch", () => {
  test("runs the batch to its end and leaves others alone", async () => {
    await using host = await createTestHost({ role: "web" });
    host.register(touch);
    const other = await host.batches.submit({ operation: touch.name, items: [1] });
    const { id } = await host.batches.submit({ operation: touch.name, items: [1, 2, 3] });
    const running = await host.runBatch(id);
    expect(await host.batches.wait(id)).toMatchObject({ status: "completed", counts: { done: 3 } });
    await running.stop();
    expect(await host.batches.get(other.id)).toMatchObject({ status: "pending" });
  });
});

describe("routes with an actor", () => {
  test("need no key and record the actor", async () => {
    await using host = await createTestHost({ role: "web" });
    host.register(touch);
    const routes = createV1Routes(host, { actor: "cli ada" });
    const response = await routes.request("/v1/batches", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ operation: touch.name, items: [1] }),
    });
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ actor: "cli ada" });
    const { operations } = (await (await routes.request("/v1/operations")).json()) as { operations: object[] };
    expect(operations[0]).toMatchObject({ role: "restore", usual_params: { deep: true } });
  });
});
