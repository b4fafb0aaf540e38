import { expect, test } from "vitest";
import * as z from "zod";
import { checkOpenApiAnswer, createTestHost, findOpenApiFaults, listOpenApiCalls } from "../testing/index.ts";
import { createV1Routes } from "./index.ts";
import { v1OpenApi } from "./v1-openapi.ts";

const document = JSON.parse(JSON.stringify(v1OpenApi())) as object;

test("generates a valid document", () => {
  expect(findOpenApiFaults(document)).toEqual([]);
});

test("documents exactly the served routes", async () => {
  await using host = await createTestHost();
  const served = createV1Routes(host).routes.filter(({ method }) => method !== "ALL");
  const calls = served.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  expect(listOpenApiCalls(document)).toEqual(calls.sort());
});

test("returns responses as documented", async () => {
  await using host = await createTestHost();
  host.register({
    name: "test.rows.touch",
    label: "touch",
    target: "local",
    effects: "ledger",
    chunkSize: 10,
    inlineLimit: 3,
    item: z.int(),
    params: z.strictObject({}),
    key: (item: unknown) => item as number,
    repeatable: true,
    apply: async ({ items }: { items: unknown[] }) =>
      items.map((key) => ({ key: key as number, outcome: key === 13 ? "failed" : "done", code: "no" })),
  } as never);
  const { secret } = await host.keys.create({ vendor: "admin" });
  const routes = createV1Routes(host);
  const read = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${secret}`, "content-type": "application/json", ...init.headers };
    const response = await routes.fetch(new Request(`http://localhost/v1${path}`, { ...init, headers }));
    const call = { method: init.method ?? "GET", path: `/v1${path.replace(/\?.*/, "").replace(/\d+/, "{id}")}` };
    const body = await response.json();
    expect(checkOpenApiAnswer(document, { ...call, status: response.status, body })).toBeUndefined();
    return response.status;
  };
  const send = (path: string, body?: unknown) => read(path, { method: "POST", body: JSON.stringify(body) });
  expect(await send("/batches", { operation: "test.rows.touch", items: [1, 13] })).toBe(201);
  expect(await send("/batches", { operation: "test.rows.touch", items: [1, 2, 3, 4] })).toBe(202);
  await host.batches.wait(2);
  expect(await read("/batches?limit=1")).toBe(200);
  expect(await read("/batches/1")).toBe(200);
  expect(await read("/batches/1/items")).toBe(200);
  expect(await read("/batches/1/manifest.json")).toBe(200);
  expect(await read("/batches/1/history")).toBe(200);
  expect(await read("/items?operation=test.rows.touch&item=1")).toBe(200);
  expect(await read("/items?operation=test.rows.touch&item=x")).toBe(422);
  expect(await read("/operations")).toBe(200);
  expect(await send("/batches/1/retry")).toBe(200);
  expect(await send("/batches", { operation: "a.b.c", items: [1] })).toBe(422);
  expect(await send("/batches/1/resume")).toBe(409);
  expect(await read("/batches/99")).toBe(404);
  expect(await read("/batches?limit=0")).toBe(422);
  expect(await read("/batches", { headers: { authorization: "Bearer no" } })).toBe(401);
});
