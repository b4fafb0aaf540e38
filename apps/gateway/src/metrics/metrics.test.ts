import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ledgerDatabases, sqliteDatabase } from "@reinstate/tooling/databases";
import { findPromtool } from "@reinstate/tooling/services";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readSettings } from "../config.ts";
import { createGateway, type Gateway } from "../gateway.ts";
import { vendors } from "../testing/demo-gateway.ts";
import { run, startGateway } from "../testing/gateway-process.ts";
import { createMetrics } from "./metrics.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };
const json = { "content-type": "application/json" };
const promoters = { ...json, authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_demo" };

/** A demo gateway with metrics in this process. */
async function open(databaseUrl: string, env: Record<string, string> = {}) {
  const settings = readSettings({
    env: {
      REINSTATE_DEMO: "true",
      REINSTATE_DATABASE_URL: databaseUrl,
      REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
      ...env,
    },
    vendors,
  });
  const metrics = createMetrics({ vendors, settings: settings.vendors });
  const gateway = await createGateway(settings, vendors, log, metrics);
  return { gateway, metrics, [Symbol.asyncDispose]: () => gateway.stop() };
}

/** Sends a request as if it came from an address. */
const send = (gateway: Gateway, path: string, init: RequestInit = {}, address = "127.0.0.1") =>
  gateway.fetch(new Request(`http://localhost${path}`, init), { incoming: { socket: { remoteAddress: address } } });

const post = (gateway: Gateway, path: string, headers: Record<string, string>, body: object) =>
  send(gateway, path, { method: "POST", headers, body: JSON.stringify(body) });

/** Returns the samples by name and labels. */
function parse(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const read = async (gateway: Gateway) => parse(await (await send(gateway, "/metrics")).text());

const restored = (outcome: string) =>
  `reinstate_batch_items_total{vendor="firstpromoter",operation="firstpromoter.promoters.restore",target="local",outcome="${outcome}"}`;
const batch = { operation: "firstpromoter.promoters.restore", account: "acc_demo" };

/** The increments of the metrics by each call. */
const steps: { name: string; run(gateway: Gateway): Promise<unknown>; adds: Record<string, number> }[] = [
  {
    name: "a small batch",
    run: (gateway) => post(gateway, "/api/v2/company/promoters/restore", promoters, { ids: [1, 2, 950, 5000] }),
    adds: {
      [restored("done")]: 2,
      [restored("skipped")]: 1,
      [restored("failed")]: 1,
      'reinstate_http_requests_total{api="firstpromoter",status="200"}': 1,
      'reinstate_http_request_seconds_count{api="firstpromoter"}': 1,
    },
  },
  {
    name: "a large batch",
    async run(gateway) {
      const items = Array.from({ length: 800 }, (_, index) => index + 10);
      const { id } = (await (await post(gateway, "/v1/batches", admin, { ...batch, items })).json()) as { id: number };
      await gateway.host.batches.wait(id);
    },
    adds: { [restored("done")]: 800, 'reinstate_http_requests_total{api="v1",status="202"}': 1 },
  },
  {
    name: "a dry run",
    run: (gateway) => post(gateway, "/v1/batches", admin, { ...batch, items: [3, 4], dry_run: true }),
    adds: { [restored("done")]: 0, 'reinstate_http_requests_total{api="v1",status="201"}': 1 },
  },
  {
    name: "a wrong key",
    run: (gateway) => send(gateway, "/v1/batches", { headers: { authorization: "Bearer nothing" } }),
    adds: { reinstate_wrong_keys_total: 1, 'reinstate_http_requests_total{api="v1",status="401"}': 1 },
  },
  {
    name: "an unknown path",
    run: (gateway) => send(gateway, "/nothing/here"),
    adds: { 'reinstate_http_requests_total{api="other",status="404"}': 1 },
  },
];

describe.each(ledgerDatabases)("metrics on $name", ({ open: openDatabase }) => {
  test.each(steps)("count $name", async ({ run, adds }) => {
    await using database = await openDatabase();
    await using opened = await open(database.url);
    const before = await read(opened.gateway);
    await run(opened.gateway);
    const after = await read(opened.gateway);
    const added = Object.keys(adds).map((name) => [name, (after.get(name) ?? 0) - (before.get(name) ?? 0)]);
    expect(Object.fromEntries(added)).toEqual(adds);
  });

  test("show open, waiting and unknown work", async () => {
    await using database = await openDatabase();
    // Nothing runs in the background.
    await using opened = await open(database.url, { REINSTATE_ROLE: "web" });
    const { gateway } = opened;
    const items = Array.from({ length: 1200 }, (_, index) => index + 1);
    const { id } = (await (await post(gateway, "/v1/batches", admin, { ...batch, items })).json()) as { id: number };
    const db = gateway.host.database.tables<{
      reinstate_batches: { id: number; next_allowed_at: number; waiting_for: string; unknown: number; status: string };
      reinstate_chunks: { batch_id: number; seq: number; state: string; lease_until: number };
    }>();
    const now = gateway.host.clock.now();
    const wait = { next_allowed_at: now + 60_000, waiting_for: "rate_limit", unknown: 3 };
    await db.updateTable("reinstate_batches").set(wait).where("id", "=", id).execute();
    const overdue = { state: "claimed", lease_until: now - 30_000 };
    await db.updateTable("reinstate_chunks").set(overdue).where("seq", "=", 0).execute();
    const found = await read(gateway);
    const chunks = await db.selectFrom("reinstate_chunks").select("seq").where("batch_id", "=", id).execute();
    expect(found.get("reinstate_ledger_up")).toBe(1);
    expect(found.get("reinstate_open_batches")).toBe(1);
    expect(found.get("reinstate_queue_depth")).toBe(chunks.length);
    expect(found.get("reinstate_unknown_items")).toBe(3);
    expect(found.get('reinstate_waiting_batches{reason="rate_limit"}')).toBe(1);
    expect(found.get("reinstate_rate_wait_seconds")).toBeGreaterThan(30);
    expect(found.get("reinstate_lease_age_seconds")).toBeGreaterThanOrEqual(30);
  });
});

describe("metrics", () => {
  test("pass promtool", async () => {
    await using database = sqliteDatabase();
    await using opened = await open(database.url);
    for (const step of steps) await step.run(opened.gateway);
    const text = await (await send(opened.gateway, "/metrics")).text();
    const { status, stdout, stderr } = spawnSync(findPromtool(), ["check", "metrics"], {
      input: text,
      encoding: "utf8",
    });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
    expect(text).not.toMatch(/NaN|acc_demo|demo-/);
  });

  // `FUZZ=100000` sends more.
  test("stay below 1,000 series whatever callers send", async () => {
    await using opened = await open("sqlite::memory:");
    const { gateway } = opened;
    const paths = fc.oneof(
      fc.webPath(),
      fc
        .constantFrom("/v1", "/v1/batches", "/api/v2/company/promoters", "/api/v1.1/subscriptions", "/vicidial/leads")
        .chain((start) => fc.webPath().map((rest) => start + rest)),
      fc.constantFrom("/", "/docs", "/readyz", "/metrics", "/openapi.json"),
    );
    const methods = fc.constantFrom("GET", "POST", "PUT", "DELETE", "HEAD", "PROPFIND", "X");
    const keys = fc.constantFrom({}, admin, promoters, { authorization: "Key=demo-vicidial-key" });
    const calls = fc.sample(fc.tuple(paths, methods, keys), Number(process.env.FUZZ ?? 1_000));
    for (const [path, method, headers] of calls) {
      await (await send(gateway, path, { method, headers })).arrayBuffer();
    }
    const found = await read(gateway);
    expect(found.size).toBeGreaterThan(50);
    expect(found.size).toBeLessThan(1_000);
    const known = ["firstpromoter", "altcraft", "vicidial", "v1", "reference", "dashboard", "health", "other"];
    const apis = [...found.keys()].flatMap((name) => /api="([^"]*)"/.exec(name)?.[1] ?? []);
    expect([...new Set(apis)].sort()).toEqual(known.sort());
  });

  test("leave the ledger out while its database is silent", async () => {
    await using opened = await open("sqlite::memory:");
    const { gateway } = opened;
    const measure = gateway.host.measure;
    gateway.host.measure = () => new Promise(() => {});
    const started = performance.now();
    const found = await read(gateway);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(found.get("reinstate_ledger_up")).toBe(0);
    expect(found.has("reinstate_queue_depth")).toBe(false);
    expect(found.has("reinstate_event_loop_lag_seconds")).toBe(true);
    gateway.host.measure = measure;
  });

  test("are for this machine or an admin key", async () => {
    await using opened = await open("sqlite::memory:");
    const { gateway } = opened;
    const status = async (headers: Record<string, string>, address: string) =>
      (await send(gateway, "/metrics", { headers }, address)).status;
    expect(await status({}, "127.0.0.1")).toBe(200);
    expect(await status({}, "::1")).toBe(200);
    expect(await status({}, "10.0.0.9")).toBe(401);
    // A proxy on this machine passes on calls of others.
    expect(await status({ "x-forwarded-for": "127.0.0.1" }, "127.0.0.1")).toBe(401);
    expect(await status({ via: "1.1 proxy" }, "127.0.0.1")).toBe(401);
    expect(await status({ authorization: "Bearer demo-admin-key" }, "10.0.0.9")).toBe(200);
    expect(await status({ authorization: "Bearer demo-firstpromoter-key" }, "10.0.0.9")).toBe(401);
    const { secret } = await gateway.host.keys.create({ vendor: "admin", options: { access: "read" } });
    expect(await status({ authorization: `Bearer ${secret}` }, "10.0.0.9")).toBe(200);
    expect((await send(gateway, "/metrics", { method: "POST" })).status).toBe(405);
  });

  test("time calls to the real vendors", async () => {
    const statuses = [200, 503];
    const vendor = createServer((_, response) => {
      response.statusCode = statuses.shift() ?? 200;
      response.end("{}");
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => vendor.once("listening", resolve));
    const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`;
    const metrics = createMetrics({ vendors, settings: { altcraft: { upstreamUrl: `${url}/api` } } });
    for (const path of ["/api/a?token=secret-canary", "/api/b"]) await (await fetch(url + path)).arrayBuffer();
    vendor.closeAllConnections();
    await new Promise((resolve) => vendor.close(resolve));
    await expect(fetch(`${url}/api/c`)).rejects.toThrow();
    const { text } = await metrics.render();
    const found = parse(text);
    for (const status of ["2xx", "5xx", "error"]) {
      expect([
        status,
        found.get(`reinstate_vendor_request_seconds_count{vendor="altcraft",status="${status}"}`),
      ]).toEqual([status, 1]);
    }
    expect(text).not.toContain("secret-canary");
    metrics.close();
  });
});

describe("REINSTATE_METRICS", () => {
  test("serves the metrics on an address of its own", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startGateway({
      REINSTATE_DEMO: "true",
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_METRICS: "127.0.0.1:0",
    });
    const [, url = ""] = /Metrics on (\S+)/.exec(gateway.output().out) ?? [];
    const response = await fetch(url);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(parse(await response.text()).get("reinstate_ledger_up")).toBe(1);
    expect((await fetch(url.replace("/metrics", "/v1/batches"))).status).toBe(404);
    expect((await fetch(`${gateway.baseUrl}/metrics`)).status).toBe(404);
    expect(await gateway.end("SIGTERM")).toBe(0);
  });

  test.each(["9464", "host:99999", "::1:9464", "localhost:"])("rejects %s", async (address) => {
    const { status, err } = await run(["serve"], { REINSTATE_METRICS: address });
    expect([status, err]).toEqual([
      2,
      "reinstate: REINSTATE_METRICS must be HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464\n",
    ]);
  });
});
