import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { problem, toProblem } from "./problem.ts";
import { decodeUtf8, readBody } from "./read-body.ts";

const server = createAdaptorServer({
  fetch: async (request: Request) => {
    try {
      return Response.json({ size: (await readBody(request, 100_000)).byteLength });
    } catch (error) {
      return toProblem(error) ?? problem(500, "internal-error", String(error));
    }
  },
});
let port = 0;

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

/** Sends a body in parts as a real client does, and tells what came back and how much the server took. */
async function send(parts: Buffer[], headers: Record<string, string> = {}, afterwards: Buffer[] = []) {
  const connected = once(server, "connection");
  const request = httpRequest({ port, host: "127.0.0.1", method: "POST", headers, agent: false });
  const answered = once(request, "response");
  const closed = new Promise((resolve) => request.once("close", resolve));
  const write = async (parts: Buffer[]) => {
    for (const part of parts) {
      if (request.destroyed) return;
      if (!request.write(part)) await Promise.race([new Promise((resolve) => request.once("drain", resolve)), closed]);
    }
  };
  request.flushHeaders();
  await write(parts);
  if (afterwards.length === 0) request.end();
  const [response] = await answered;
  request.on("error", () => {});
  response.setEncoding("utf8");
  let text = "";
  for await (const part of response) text += part;
  await write(afterwards);
  request.destroy();
  const [socket] = await connected;
  return { status: response.statusCode as number, body: JSON.parse(text), taken: socket.bytesRead as number };
}

test("reads a body up to the limit, whole or in parts", async () => {
  const part = Buffer.alloc(50_000, 1);
  expect(await send([part, part])).toMatchObject({ status: 200, body: { size: 100_000 } });
  expect(await send([part, part], { "content-length": "100000" })).toMatchObject({
    status: 200,
    body: { size: 100_000 },
  });
  expect(await send([])).toMatchObject({ status: 200, body: { size: 0 } });
});

test("rejects a body by its announced length", async () => {
  const refused = await send([], { "content-length": "100001" }, [Buffer.alloc(1000)]);
  expect(refused).toMatchObject({ status: 413, body: { type: "urn:reinstate:problem:body-too-large" } });
});

test("rejects an endless body at the limit", async () => {
  const more = Array.from({ length: 1000 }, () => Buffer.alloc(64 * 1024, 1));
  const refused = await send([Buffer.alloc(60_000), Buffer.alloc(60_000)], {}, more);
  expect(refused.status).toBe(413);
  expect(refused.taken).toBeLessThan(8 * 1024 * 1024);
});

test("detects bodies that are not UTF-8", () => {
  expect(decodeUtf8(Buffer.from("ä"))).toBe("ä");
  expect(decodeUtf8(Buffer.from([0xff, 0xfe]))).toBeUndefined();
});
