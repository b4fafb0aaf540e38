import { once } from "node:events";
import { connect } from "node:net";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { expect, test } from "vitest";
import { startGateway } from "../testing/gateway-process.ts";

/** Opens a connection to the gateway and sends the beginning of a request. Resolves when the gateway has read it. */
async function open(baseUrl: string, head: string) {
  const { hostname, port } = new URL(baseUrl);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.on("error", () => {});
  await new Promise((resolve) => socket.write(head, resolve));
  // A process reads what has come on one connection before it takes up a later connection.
  expect((await fetch(`${baseUrl}/healthz`)).status).toBe(200);
  return socket;
}

const halfBody =
  "POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-admin-key\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("%s ends the gateway in order", async (signal) => {
  await using database = sqliteDatabase();
  await using gateway = await startGateway({ REINSTATE_DATABASE_URL: database.url });
  expect(await gateway.end(signal)).toBe(0);
  expect(gateway.output().err).toContain('"msg":"stopped"');
});

test.each([
  ["a half-sent body", halfBody],
  ["a half-sent head", "POST /v1/batches HTTP/1.1\r\nHost: x\r\nAutho"],
  ["a kept-alive connection", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"],
])("%s does not hold up the end", async (_, head) => {
  await using database = sqliteDatabase();
  await using gateway = await startGateway({
    REINSTATE_DATABASE_URL: database.url,
    REINSTATE_DEMO: "true",
    REINSTATE_GRACE_SECONDS: "60",
  });
  const socket = await open(gateway.baseUrl, head);
  const started = performance.now();
  expect(await gateway.end("SIGTERM")).toBe(0);
  expect(performance.now() - started).toBeLessThan(30_000);
  socket.destroy();
});

/** Starts a gateway with a client that keeps sending one body and never ends it, so that only the grace ends the wait for it. */
async function startWithEndlessUpload(graceSeconds: number) {
  const database = sqliteDatabase();
  const gateway = await startGateway({
    REINSTATE_DATABASE_URL: database.url,
    REINSTATE_DEMO: "true",
    REINSTATE_GRACE_SECONDS: String(graceSeconds),
  });
  const socket = await open(gateway.baseUrl, halfBody);
  const sending = setInterval(() => socket.write(" "), 50);
  return {
    gateway,
    async [Symbol.asyncDispose]() {
      clearInterval(sending);
      socket.destroy();
      await gateway[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

test("a second signal ends the gateway at once", async () => {
  await using upload = await startWithEndlessUpload(60);
  const { gateway } = upload;
  gateway.child.kill("SIGTERM");
  await until(async () => gateway.output().err.includes('"msg":"stopping"'));
  expect(await gateway.end("SIGTERM")).toBe(143);
});

test("the grace ends a gateway whose client never finishes", async () => {
  await using upload = await startWithEndlessUpload(2);
  expect(await upload.gateway.end("SIGTERM")).toBe(0);
});
