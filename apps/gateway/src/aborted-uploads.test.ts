import { once } from "node:events";
import { connect } from "node:net";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { expect, test } from "vitest";
import { startGateway } from "./testing/gateway-process.ts";

const uploads = [
  ["/api/v2/company/promoters/restore", "Authorization: Bearer demo-firstpromoter-key\r\nAccount-ID: acc_demo"],
  ["/api/v1.1/subscriptions/undelete", "Authorization: Bearer demo-altcraft-token"],
  ["/vicidial/leads/dearchive", "Authorization: Key=demo-vicidial-key"],
  ["/vicidial/non_agent_api.php", "X-None: 1"],
  ["/v1/batches", "Authorization: Bearer demo-admin-key"],
] as const;

const lengths = ["Content-Length: 1000", "Transfer-Encoding: chunked"];

test("logs an aborted upload at info, for every API", { timeout: 60_000 }, async () => {
  await using database = sqliteDatabase();
  await using gateway = await startGateway({ REINSTATE_DATABASE_URL: database.url, REINSTATE_DEMO: "true" });
  const { hostname, port } = new URL(gateway.baseUrl);
  for (const [path, headers] of uploads) {
    for (const length of lengths) {
      const socket = connect(Number(port), hostname);
      await once(socket, "connect");
      const type = "Content-Type: application/json";
      const part = length.startsWith("T") ? '5\r\n{"ids\r\n' : '{"ids';
      const request = `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n${type}\r\n${length}\r\n\r\n${part}`;
      await new Promise((resolve) => socket.write(request, resolve));
      // A process reads what has come on one connection before it takes up a later connection.
      expect((await fetch(`${gateway.baseUrl}/healthz`)).status).toBe(200);
      socket.destroy();
    }
  }
  const lines = () =>
    gateway
      .output()
      .err.split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as { level: number; msg: string; path?: string; status?: number });
  const expected = uploads.flatMap(([path]) => lengths.map(() => ({ level: 30, path, status: 499 })));
  const requests = await until(async () => {
    const found = lines().filter(({ msg, path }) => msg === "request" && path !== "/healthz");
    return found.length >= expected.length && found;
  });
  expect(requests.map(({ level, path, status }) => ({ level, path, status }))).toEqual(expected);
  expect(lines().filter(({ level }) => level > 30)).toEqual([]);
  expect(gateway.output().err).not.toContain("[object Object]");
});
