import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GatewayProcess, startGateway } from "./testing/gateway-process.ts";

const database = sqliteDatabase();
let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGateway({
    REINSTATE_DATABASE_URL: database.url,
    REINSTATE_DEMO: "yes",
    REINSTATE_REQUEST_SECONDS: "3",
    REINSTATE_MAX_CONNECTIONS: "20",
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** A connection with the text that came back so far. */
async function open(): Promise<{ socket: Socket; text(): string; closed: Promise<unknown> }> {
  const { hostname, port } = new URL(gateway.baseUrl);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await once(socket, "connect");
  return { socket, text: () => text, closed };
}

/** Writes one byte now and then until the connection is closed. */
async function trickle({ socket, closed }: Awaited<ReturnType<typeof open>>, byte: string): Promise<void> {
  const timer = setInterval(() => socket.write(byte), 500);
  await closed.finally(() => clearInterval(timer));
}

const health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const head = (path: string, headers: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\nContent-Length: 100\r\n\r\n`;

describe("slow clients", () => {
  test("get 408 for headers that do not end", async () => {
    const first = await open();
    first.socket.write("GET /healthz HTTP/1.1\r\nX-Slow: ");
    const second = await open();
    second.socket.write(health);
    await until(() => second.text().includes('{"status":"ok"}'));
    second.socket.write("GET /healthz HTTP/1.1\r\nX-Slow: ");
    await Promise.all([trickle(first, "a"), trickle(second, "a")]);
    expect(first.text()).toMatch(/^HTTP\/1\.1 408 /);
    expect(second.text()).toMatch(/HTTP\/1\.1 408 /);
  });

  test("get 408 for a body that does not end", async () => {
    const connection = await open();
    connection.socket.write(
      head("/v1/batches", "Authorization: Bearer demo-admin-key\r\nContent-Type: application/json"),
    );
    await trickle(connection, " ");
    expect(connection.text()).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("may take their time for streamed items and between requests", async () => {
    const idle = await open();
    const used = await open();
    used.socket.write(health);
    const upload = await open();
    const type = "Authorization: Bearer demo-admin-key\r\nContent-Type: application/x-ndjson";
    upload.socket.write(head("/v1/batches?operation=firstpromoter.promoters.restore&account=acc_demo", type));
    // The time for a body is over when it is over for one that began later.
    const later = await open();
    later.socket.write(head("/v1/batches", "Authorization: Bearer demo-admin-key\r\nContent-Type: application/json"));
    await trickle(later, " ");
    expect(later.text()).toMatch(/^HTTP\/1\.1 408 /);
    for (const { socket } of [idle, used]) socket.write(health);
    upload.socket.write("1\n".padStart(100));
    await until(() => idle.text().includes('{"status":"ok"}'));
    await until(() => used.text().split('{"status":"ok"}').length === 3);
    await until(() => upload.text().includes("HTTP/1.1 201"));
    for (const { socket } of [idle, used, upload]) socket.destroy();
  });

  test("are closed beyond the limit of connections", async () => {
    const many = await Promise.all(Array.from({ length: 30 }, open));
    await until(() => many.filter(({ socket }) => socket.closed).length >= 10);
    for (const { socket } of many) socket.destroy();
    await until(async () => (await fetch(`${gateway.baseUrl}/healthz`).catch(() => undefined))?.ok);
  });
});

test("/v1 forbids guessing of types and storing", async () => {
  for (const authorization of ["Bearer demo-admin-key", "Bearer wrong"]) {
    for (const path of ["/v1/batches", "/v1/nothing", "/v1/batches/999999"]) {
      const { headers } = await fetch(`${gateway.baseUrl}${path}`, { headers: { authorization } });
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
    }
  }
});
