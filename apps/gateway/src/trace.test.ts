import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { SpanKind } from "@opentelemetry/api";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { altcraft } from "@reinstate/altcraft";
import { createOpenTelemetryTracer } from "@reinstate/batch-core/opentelemetry";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { watchVendorRequests } from "./metrics/vendor-requests.ts";
import { startGateway, temporaryFolder } from "./testing/gateway-process.ts";
import { startRefusingVendor } from "./testing/refusing-vendor.ts";
import type { WrittenSpan } from "./testing/trace-sdk.ts";

const execute = promisify(execFile);
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };

/** Settings of a gateway whose Altcraft is a vendor of the test. */
const demoSettings = (databaseUrl: string, vendorUrl: string) => ({
  REINSTATE_DEMO: "true",
  REINSTATE_DATABASE_URL: databaseUrl,
  REINSTATE_ALTCRAFT_UPSTREAM_URL: vendorUrl,
  REINSTATE_ALTCRAFT_UPSTREAM_TOKEN: "vendor-token",
});

const item = {
  db_id: 1,
  resource_id: 26,
  profile_id: "507f1f77bcf86cd799439011",
  channel: "email",
  email: "john@example.com",
};
const body = JSON.stringify({ operation: "altcraft.subscriptions.undelete", target: "upstream", items: [item] });

const importSdk = new URL("testing/trace-sdk.ts", import.meta.url).href;

/** Reads the spans that a gateway with an SDK has ended so far. */
const readSpans = (file: string) =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as WrittenSpan)
    : [];

describe("an OpenTelemetry SDK", () => {
  test("gets one trace of request, chunk and call to the vendor, also of another process", async () => {
    await using vendor = await startRefusingVendor();
    await using database = sqliteDatabase();
    await using folder = temporaryFolder();
    const file = join(folder.path, "spans");
    const settings = { ...demoSettings(database.url, vendor.url), NODE_OPTIONS: `--import=${importSdk}`, SPANS: file };
    {
      await using web = await startGateway({ ...settings, REINSTATE_ROLE: "web" });
      await fetch(`${web.baseUrl}/healthz`);
      const headers = { ...admin, traceparent };
      expect((await fetch(`${web.baseUrl}/v1/batches`, { method: "POST", headers, body })).status).toBe(202);
      expect((await fetch(`${web.baseUrl}/v1/batches/1`, { headers: admin })).status).toBe(200);
      await web.end("SIGTERM");
    }
    await using _worker = await startGateway(settings);
    await until(() => readSpans(file).length >= 4);
    const spans = readSpans(file);
    expect(spans.map(({ name }) => name)).toEqual([
      "POST v1",
      "GET v1",
      "POST altcraft",
      "chunk altcraft.subscriptions.undelete",
    ]);
    const [request, read, call, chunk] = spans as [WrittenSpan, WrittenSpan, WrittenSpan, WrittenSpan];
    expect([request, call, chunk].map((span) => span.traceId)).toEqual([traceId, traceId, traceId]);
    expect([request, chunk, call].map((span) => span.parentId)).toEqual([
      "00f067aa0ba902b7",
      request.spanId,
      chunk.spanId,
    ]);
    expect(vendor.traces).toEqual([`00-${traceId}-${call.spanId}-01`]);
    expect([request, chunk, call].map(({ kind }) => kind)).toEqual([
      SpanKind.SERVER,
      SpanKind.INTERNAL,
      SpanKind.CLIENT,
    ]);
    expect(request.attributes).toMatchObject({ "url.path": "/v1/batches", "http.response.status_code": 202 });
    expect(chunk.attributes).toMatchObject({
      "reinstate.batch": 1,
      "reinstate.items": 1,
      "reinstate.target": "upstream",
    });
    expect(call.attributes).toMatchObject({ "reinstate.vendor": "altcraft", "http.response.status_code": 401 });
    // A request without a trace starts one.
    expect(read.parentId).toBeUndefined();
    expect(read.traceId).not.toBe(traceId);
  });
});

describe("instrumentations of an SDK", () => {
  test("keep their own spans of requests and of calls to the vendor", async () => {
    await using vendor = await startRefusingVendor();
    const provider = new NodeTracerProvider();
    provider.register();
    const tracer = createOpenTelemetryTracer();
    const start = { kind: "server", parent: traceparent, attributes: {} } as const;
    const unwatch = watchVendorRequests(
      { vendors: [altcraft], settings: { altcraft: { upstreamUrl: vendor.url } }, tracer },
      () => {},
    );
    await provider.getTracer("http").startActiveSpan("GET", async (active) => {
      expect(tracer.startSpan("GET v1", start).traceparent).toContain(active.spanContext().spanId);
    });
    expect(tracer.startSpan("GET v1", start).traceparent).toContain(traceId);
    await fetch(vendor.url, { headers: { traceparent } });
    await fetch(vendor.url);
    unwatch();
    expect(vendor.traces).toEqual([traceparent, expect.not.stringContaining(traceId)]);
  });
});

describe("without an SDK", () => {
  test("no module of OpenTelemetry is loaded", async () => {
    await using folder = temporaryFolder();
    const modules = join(folder.path, "modules");
    const hook = new URL("testing/module-count.ts", import.meta.url).href;
    const sources = ["gateway.ts", "load-tracer.ts"].map((name) => new URL(name, import.meta.url).href);
    const program = `${sources.map((source) => `const {} = await import("${source}");`).join("\n")}
      console.log(await (await import("${sources[1]}")).loadTracer());`;
    const args = ["--import", hook, "--input-type=module", "--eval", program];
    const { stdout } = await execute(process.execPath, args, { env: { ...process.env, MODULES: modules } });
    expect(stdout).toBe("undefined\n");
    const loaded = readFileSync(modules, "utf8").split("\n");
    expect(loaded.filter((url) => /batch-core\/src\/trace\.ts$/.test(url))).toHaveLength(1);
    expect(loaded.filter((url) => /opentelemetry/.test(url))).toEqual([]);
  });
});

describe("a trace", () => {
  test("goes from the request to log lines, batch and vendor", async () => {
    await using vendor = await startRefusingVendor();
    await using database = sqliteDatabase();
    const settings = demoSettings(database.url, vendor.url);
    {
      // Accepts the batch and leaves it to another process.
      await using web = await startGateway({ ...settings, REINSTATE_ROLE: "web" });
      const send = (headers: Record<string, string>) =>
        fetch(`${web.baseUrl}/v1/batches`, { method: "POST", headers: { ...admin, ...headers }, body });
      expect((await send({ traceparent })).status).toBeLessThan(300);
      expect((await send({ traceparent: "00-zz-1-01" })).status).toBeLessThan(300);
      await web.end("SIGTERM");
      const lines = web
        .output()
        .err.trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const requests = lines.filter(({ msg }) => msg === "request");
      expect(requests.map(({ trace_id }) => trace_id)).toEqual([traceId, undefined]);
    }
    await using _worker = await startGateway(settings);
    await until(() => vendor.traces.length >= 2);
    const [first, second] = [...vendor.traces].sort(
      (one, other) => Number(one === undefined) - Number(other === undefined),
    );
    expect(first).toMatch(new RegExp(`^00-${traceId}-[\\da-f]{16}-01$`));
    expect(first).not.toBe(traceparent);
    expect(second).toBeUndefined();
  });
});
