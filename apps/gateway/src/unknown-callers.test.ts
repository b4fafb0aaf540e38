import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { platform } from "node:os";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { demoSubscription as subscription } from "./testing/demo-subscription.ts";
import { type GatewayProcess, startGateway } from "./testing/gateway-process.ts";

const megabyte = 1024 * 1024;
const database = sqliteDatabase();
let gateway: GatewayProcess;
/** Closed after each test, whatever becomes of it. */
const opened: Socket[] = [];

beforeAll(async () => {
  gateway = await startGateway({
    REINSTATE_DATABASE_URL: database.url,
    REINSTATE_DEMO: "yes",
    REINSTATE_ALTCRAFT_EXTENSIONS: "on",
    // High enough that only the limit for unknown callers rejects calls.
    REINSTATE_MAX_IN_FLIGHT: "2000",
    REINSTATE_MAX_UNKNOWN_MEGABYTES: process.env.TEST_UNKNOWN_MEGABYTES ?? "16",
    LOG_LEVEL: "warn",
  });
});
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** The most memory that the gateway has had so far, in megabytes; 0 where the system does not tell. */
function peakMegabytes(): number {
  if (platform() !== "linux") return 0;
  const status = readFileSync(`/proc/${gateway.child.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

interface Connection {
  socket: Socket;
  text(): string;
}

async function open(head: string): Promise<Connection> {
  const { hostname, port } = new URL(gateway.baseUrl);
  const socket = connect(Number(port), hostname);
  opened.push(socket);
  socket.on("error", () => {});
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await once(socket, "connect");
  socket.write(head);
  return { socket, text: () => text };
}

const undelete = "/api/v1.1/subscriptions/undelete";
const head = (length: number, path = undelete, headers = "Content-Type: application/json") =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\nContent-Length: ${length}\r\n\r\n`;

/** Resolves when the socket has taken everything, or is closed. */
const write = async ({ socket }: Connection, bytes: Buffer) => {
  if (!socket.destroyed && !socket.write(bytes)) {
    await Promise.race([
      once(socket, "drain").catch(() => {}),
      new Promise((resolve) => socket.once("close", resolve)),
    ]);
  }
};

const token = "demo-altcraft-token";

/** A call of a real client that must be answered while others do their worst. */
async function isServed(): Promise<boolean> {
  const body = JSON.stringify({ ...subscription, token });
  const response = await fetch(`${gateway.baseUrl}${undelete}`, { method: "POST", body });
  return response.status === 200;
}

describe("callers without a valid token", () => {
  test("cannot fill the memory with bodies", async () => {
    const before = peakMegabytes();
    const count = Number(process.env.TEST_SOCKETS ?? 25);
    const length = 10 * megabyte - 1;
    const connections = await Promise.all(Array.from({ length: count }, () => open(head(length))));
    const part = Buffer.alloc(256 * 1024, " ");
    // All but the last byte, so that no body ends.
    await Promise.all(
      connections.map(async (connection) => {
        for (let left = length - 1; left > 0; left -= part.length) {
          await write(connection, part.subarray(0, Math.min(left, part.length)));
        }
      }),
    );
    expect(await isServed()).toBe(true);
    const isRefused = (text: string) =>
      /^HTTP\/1\.1 503 /.test(text) && /\nretry-after: 1\r/i.test(text) && text.includes('"error":503');
    await until(() => connections.filter(({ text }) => isRefused(text())).length >= count - 2);
    const grown = peakMegabytes() - before;
    process.stdout.write(
      `${count} sockets with 10 MB: ${Math.round(before)} MB before, ${Math.round(grown)} MB more\n`,
    );
    expect(grown).toBeLessThan(200);
  });

  test("give way to callers of short bodies", async () => {
    const connections = await Promise.all(Array.from({ length: 500 }, () => open(head(60_000))));
    for (const { socket } of connections) socket.write('{"token":');
    expect(await isServed()).toBe(true);
    // A new one for the largest that waits.
    await until(() => connections.some(({ text }) => text().startsWith("HTTP/1.1 503 ")));
    expect(await isServed()).toBe(true);
    const health = await fetch(`${gateway.baseUrl}/healthz`);
    expect(health.status).toBe(200);
  });

  test("are refused before the rest of a large body", async () => {
    const connection = await open(head(9 * megabyte));
    await write(connection, Buffer.from(`{"data":"${"x".repeat(70_000)}","token":"wrong"`));
    await until(() => connection.text().includes('{"error":401,"error_text":"API token is not valid"}'));
  });
});

describe("a client with a valid token", () => {
  /** 5 MB in texts that are each short enough. */
  const large = Array.from({ length: 6 }, () => "x".repeat(900_000));
  const bodies: [string, string, string, string][] = [
    ["before", "application/json", JSON.stringify({ token, ...subscription, custom_fields: { large } }), "undelete"],
    ["behind", "application/json", JSON.stringify({ ...subscription, custom_fields: { large }, token }), "undelete"],
    [
      "with escapes behind",
      "application/json",
      JSON.stringify({ other: '"token":"wrong"\\', ...subscription, data: [{ token: "wrong" }, ...large], token }),
      "undelete",
    ],
    [
      "behind (no type)",
      "text/plain",
      JSON.stringify({ ...subscription, custom_fields: { large }, token }),
      "undelete",
    ],
    [
      "behind (XML)",
      "application/xml",
      `<xml>${"<data array='true'><db_id>1</db_id><token>wrong</token></data>".repeat(4000)}<token>${token}</token></xml>`,
      "undelete_batch",
    ],
  ];

  test.each(bodies)("may send it %s a large field", async (_, type, body, method) => {
    const response = await fetch(`${gateway.baseUrl}/api/v1.1/subscriptions/${method}`, {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    const text = await response.text();
    // The token was found and is valid; a field may not be.
    expect(text.slice(0, 200)).toMatch(/is not known here|must not|<error>0</);
    expect(text).not.toMatch(/token is not valid|Service is busy/);
  });
});

test("fifty uploads at once take little memory", async () => {
  const before = peakMegabytes();
  const query = "operation=firstpromoter.promoters.restore&account=acc_demo";
  const headers = { authorization: "Bearer demo-admin-key", "content-type": "application/x-ndjson" };
  const lines = Buffer.from(Array.from({ length: 10_000 }, (_, index) => `${index + 1}\n`).join(""));
  async function* upload() {
    for (let part = 0; part < 4; part++) yield lines;
  }
  const uploads = Array.from({ length: 50 }, () =>
    fetch(`${gateway.baseUrl}/v1/batches?${query}`, {
      method: "POST",
      headers,
      body: ReadableStream.from(upload()),
      duplex: "half",
    } as RequestInit),
  );
  expect(await isServed()).toBe(true);
  const statuses = (await Promise.all(uploads)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([202]));
  const grown = peakMegabytes() - before;
  process.stdout.write(`50 uploads: ${Math.round(grown)} MB more\n`);
  expect(grown).toBeLessThan(200);
});
