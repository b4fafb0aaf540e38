import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { expect, test } from "vitest";
import { type GatewayProcess, startGateway } from "./testing/gateway-process.ts";
import { startRefusingVendor } from "./testing/refusing-vendor.ts";

type Line = Record<string, unknown>;

const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };
const subscription = {
  db_id: 1,
  resource_id: 26,
  profile_id: "507f1f77bcf86cd799439011",
  channel: "email",
  email: "john@example.com",
};

/** One call of the script: its path, and the batch that its line must name. */
interface Call {
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: unknown;
  batch?: number;
}

const script: Call[] = [
  {
    path: "/v1/batches",
    method: "POST",
    headers: admin,
    batch: 1,
    body: { operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [123, 5000] },
  },
  {
    path: "/v1/batches",
    method: "POST",
    headers: admin,
    batch: 2,
    body: { operation: "altcraft.subscriptions.undelete", target: "upstream", items: [subscription] },
  },
  {
    path: "/vicidial/leads/dearchive",
    method: "POST",
    headers: { ...admin, authorization: "Key=demo-vicidial-key" },
    batch: 3,
    body: { insert_leads: true, delete_leads: true, lead_ids: [1] },
  },
  { path: "/v1/batches/1/items?limit=1", headers: admin, batch: 1 },
  { path: "/v1/batches/99", headers: admin, batch: 99 },
  { path: "/v1/batches", headers: { authorization: "Bearer canary-key" } },
  { path: "/api/v1.1/subscriptions/get?token=canary-token", method: "POST", headers: admin, body: subscription },
  { path: "/batches", headers: { accept: "text/html" } },
  { path: "/nowhere\u00e9\n" },
];

/** Runs the script, with health checks in between. Returns the request id of each reply. */
async function runScript({ baseUrl }: GatewayProcess): Promise<string[]> {
  const ids: string[] = [];
  for (const { path, method = "GET", headers = {}, body } of script) {
    for (const check of ["/healthz", "/readyz", "/readyz/vicidial", "/metrics"]) await fetch(baseUrl + check);
    const sent = {
      method,
      headers,
      redirect: "manual",
      ...(body !== undefined && { body: JSON.stringify(body) }),
    } as const;
    ids.push((await fetch(baseUrl + path, sent)).headers.get("x-request-id") as string);
  }
  return ids;
}

test("every log line is a JSON object with level, time, request id or batch, and health checks are silent", async () => {
  await using vendor = await startRefusingVendor();
  await using database = sqliteDatabase();
  await using gateway = await startGateway({
    REINSTATE_DEMO: "true",
    REINSTATE_DATABASE_URL: database.url,
    REINSTATE_ALTCRAFT_UPSTREAM_URL: vendor.url,
    REINSTATE_ALTCRAFT_UPSTREAM_TOKEN: "canary-vendor-token",
  });
  const ids = await runScript(gateway);
  // The vendor rejects the token of batch 2, so a worker reports it.
  await until(() => gateway.output().err.includes("vendor rejected all calls"));
  await gateway.end("SIGTERM");
  const text = gateway.output().err;
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  for (const line of lines) {
    expect(line).toMatchObject({
      level: expect.toBeOneOf([30, 40, 50]),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      msg: expect.stringMatching(/^[a-z][^\n]*$/),
    });
    const belongs = line.request_id ?? line.batch ?? /^stop/.test(line.msg as string);
    expect([line, belongs !== undefined && belongs !== false]).toEqual([line, true]);
  }
  const requests = lines.filter(({ msg }) => msg === "request");
  expect(requests.map(({ request_id, batch }) => [request_id, batch])).toEqual(
    script.map(({ batch }, index) => [ids[index], batch]),
  );
  expect(lines.filter(({ msg }) => msg === "wrong key").map(({ request_id }) => request_id)).toEqual([ids[5], ids[6]]);
  expect(lines.filter(({ msg }) => msg === "vendor rejected all calls, batch waits")).toMatchObject([{ batch: 2 }]);
  expect(text).not.toMatch(/healthz|readyz|metrics|canary|limit=1/);
});
