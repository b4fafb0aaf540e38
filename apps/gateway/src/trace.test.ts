import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { startGateway } from "./testing/gateway-process.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };

/** A vendor that refuses every call and stores its trace. */
async function startVendor() {
  const traces: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    traces.push(request.headers.traceparent as string | undefined);
    response
      .writeHead(401, { "content-type": "application/json" })
      .end('{"error":401,"error_text":"API token is not valid"}');
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    traces,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("a trace", () => {
  test("goes from the request to log lines, batch and vendor", async () => {
    await using vendor = await startVendor();
    await using database = sqliteDatabase();
    const settings = {
      REINSTATE_DEMO: "true",
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_ALTCRAFT_UPSTREAM_URL: vendor.url,
      REINSTATE_ALTCRAFT_UPSTREAM_TOKEN: "vendor-token",
    };
    const item = {
      db_id: 1,
      resource_id: 26,
      profile_id: "507f1f77bcf86cd799439011",
      channel: "email",
      email: "john@example.com",
    };
    const body = JSON.stringify({ operation: "altcraft.subscriptions.undelete", target: "upstream", items: [item] });
    {
      // Accepts the batch and leaves it to another process.
      await using web = await startGateway({ ...settings, REINSTATE_ROLE: "web" });
      const send = (headers: Record<string, string>) =>
        fetch(`${web.baseUrl}/v1/batches`, { method: "POST", headers: { ...admin, ...headers }, body });
      expect((await send({ traceparent })).status).toBeLessThan(300);
      expect((await send({ traceparent: "00-zz-1-01" })).status).toBeLessThan(300);
      const lines = web
        .output()
        .err.trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const requests = lines.filter(({ msg }) => msg === "request");
      expect(requests.map(({ trace_id }) => trace_id)).toEqual([traceId, undefined]);
      await web.end("SIGTERM");
    }
    await using worker = await startGateway(settings);
    await until(() => vendor.traces.length >= 2);
    const [first, second] = [...vendor.traces].sort(
      (one, other) => Number(one === undefined) - Number(other === undefined),
    );
    expect(first).toMatch(new RegExp(`^00-${traceId}-[\\da-f]{16}-01$`));
    expect(first).not.toBe(traceparent);
    expect(second).toBeUndefined();
    expect(worker.baseUrl).not.toBe("");
  });
});
