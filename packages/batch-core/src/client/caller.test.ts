import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import * as z from "zod";
import {
  type CallerOptions,
  createCaller,
  emptyAnswer,
  toErrorKind,
  type VendorCall,
  type VendorError,
} from "./index.ts";

type Answer = (request: IncomingMessage & { text: string }, response: ServerResponse) => void;

/** A server of a vendor, a caller of it, and the requests that arrived. */
async function startVendor(answer: Answer, options: Partial<CallerOptions> = {}) {
  const seen: {
    method: string | undefined;
    url: string | undefined;
    headers: Record<string, unknown>;
    text: string;
  }[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    seen.push({ method: request.method, url: request.url, headers: request.headers, text: body });
    answer(Object.assign(request, { text: body }), response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const call = createCaller({
    vendor: "Zendesk",
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    readRefusal: (reply) => (reply.status < 300 ? undefined : { kind: toErrorKind(reply) }),
    retry: { sleep: async () => {} },
    ...options,
  });
  return {
    call,
    seen,
    fail: (request: VendorCall<unknown>) =>
      call(request).then(
        () => expect.unreachable(),
        (error: unknown) => error as VendorError,
      ),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const ticket = z.object({ id: z.int() });
const restore = { method: "PUT", path: "/tickets/7/restore", answer: emptyAnswer } as const;
const read = { method: "GET", path: "/tickets/7", answer: ticket } as const;

test("sends an object as JSON and a text unchanged", async () => {
  await using vendor = await startVendor((_, response) => response.end('{"id":7}'));
  await vendor.call({ method: "POST", path: "/tickets", body: { id: 7 }, answer: ticket });
  await vendor.call({
    method: "PATCH",
    path: "/tickets",
    body: "<id/>",
    headers: { "content-type": "text/xml" },
    answer: ticket,
  });
  expect(vendor.seen).toMatchObject([
    { method: "POST", text: '{"id":7}', headers: { "content-type": "application/json" } },
    { method: "PATCH", text: "<id/>", headers: { "content-type": "text/xml" } },
  ]);
});

test.each(["GET", "POST", "PUT", "PATCH", "DELETE"] as const)("%s, answered without a body", async (method) => {
  await using vendor = await startVendor((_, response) => response.writeHead(204).end());
  expect(await vendor.call({ method, path: "/tickets/7", answer: emptyAnswer })).toBeUndefined();
  expect(vendor.seen).toMatchObject([{ method, url: "/tickets/7" }]);
});

test("throws a rejection with the vendor's message", async () => {
  await using vendor = await startVendor((_, response) => response.writeHead(422).end('{"error":"RecordInvalid"}'), {
    readRefusal: ({ body }) => ({ kind: "rejected", code: (body as { error: string }).error, message: "No" }),
  });
  expect(await vendor.fail(restore)).toMatchObject({
    kind: "rejected",
    status: 422,
    code: "RecordInvalid",
    message: "No",
  });
});

test("reports an undocumented response as bad_reply, without its text", async () => {
  await using vendor = await startVendor((_, response) => response.end('{"id":"secret"}'));
  const error = await vendor.fail(read);
  expect(error).toMatchObject({
    kind: "bad_reply",
    message: "GET /tickets/7: the answer is not what Zendesk documents (at id)",
  });
  expect(JSON.stringify(error)).not.toContain("secret");
});

test("reports HTML with status 200 as bad_reply", async () => {
  await using vendor = await startVendor((_, response) => response.end("<html>Maintenance</html>"));
  expect(await vendor.fail(read)).toMatchObject({ kind: "bad_reply", status: 200 });
});

test("repeats reads, and changes only if repeatable", async () => {
  await using vendor = await startVendor((_, response) => response.writeHead(503, { "retry-after": "0" }).end());
  await vendor.fail(read);
  expect(vendor.seen).toHaveLength(4);
  await vendor.fail(restore);
  expect(vendor.seen).toHaveLength(5);
  await vendor.fail({ ...restore, repeatable: true });
  expect(vendor.seen).toHaveLength(9);
});

test("reports a 502 as unknown_outcome only for changes", async () => {
  await using vendor = await startVendor((_, response) => response.writeHead(502).end());
  expect(await vendor.fail(restore)).toMatchObject({ kind: "unknown_outcome" });
  expect(await vendor.fail(read)).toMatchObject({ kind: "unavailable" });
});

test("sends a request id and adds it to errors", async () => {
  await using vendor = await startVendor((request) => request.socket.destroy(), {
    requestIdHeader: "x-request-id",
    retry: { attempts: 1 },
  });
  const error = await vendor.fail(restore);
  expect(error.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(vendor.seen[0]?.headers["x-request-id"]).toBe(error.requestId);
});

test("shares one retry budget between calls", async () => {
  await using vendor = await startVendor((_, response) => response.writeHead(429).end());
  for (let n = 0; n < 20; n++) await vendor.fail(read);
  // Without a budget each call would be made four times.
  expect(vendor.seen.length).toBeLessThan(20 * 3);
});

test("stops calling a vendor that is down", async () => {
  await using vendor = await startVendor((_, response) => response.writeHead(500).end());
  for (let n = 0; n < 50; n++) await vendor.fail(restore);
  expect(vendor.seen).toHaveLength(10);
  expect(await vendor.fail(restore)).toMatchObject({ kind: "circuit_open", retryable: true });
});
