import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { createTransport, type TransportOptions, VendorError } from "./index.ts";

async function serving(listener: RequestListener) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    transport: (options: Partial<TransportOptions> = {}) => createTransport({ baseUrl, ...options }),
    baseUrl,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const failure = (call: Promise<unknown>) =>
  call.then(
    () => expect.unreachable(),
    (error: unknown) => error as VendorError,
  );

test("returns a response of any status with id and Retry-After", async () => {
  await using server = await serving((request, response) => {
    response.writeHead(429, { "retry-after": "7", "x-request-id": "r1" });
    response.end(`${request.method} ${request.url} ${request.headers.authorization} ${request.headers["x-more"]}`);
  });
  const transport = server.transport({ headers: { authorization: "secret" } });
  const reply = await transport.call({
    method: "GET",
    path: "/things",
    query: new URLSearchParams({ a: "b c" }),
    headers: { "x-more": "1" },
  });
  expect(reply).toMatchObject({ status: 429, requestId: "r1", retryAfterMs: 7000, text: "GET /things?a=b+c secret 1" });
});

test("removes the caller's secrets from responses", async () => {
  await using server = await serving((request, response) => {
    const { authorization = "" } = request.headers;
    const repeated = [
      authorization,
      authorization.slice(7),
      encodeURIComponent(authorization),
      JSON.stringify({ authorization }),
    ];
    response.writeHead(401, { "x-request-id": authorization }).end(`${repeated.join(" ")} acc_1`);
  });
  const transport = server.transport({ headers: { authorization: 'Bearer se"cret=key', "account-id": "acc_1" } });
  const { text, requestId } = await transport.call({ method: "GET", path: "/" });
  expect(`${text} ${requestId}`).not.toMatch(/se.{0,3}cret|cret=key|cret%3Dkey/);
  expect(text).toContain("acc_1");
});

test("follows no redirect", async () => {
  const seen: string[] = [];
  await using server = await serving((request, response) => {
    seen.push(request.url ?? "");
    response.writeHead(302, { location: "/elsewhere" }).end();
  });
  expect((await server.transport().call({ method: "POST", path: "/here" })).status).toBe(302);
  expect(seen).toEqual(["/here"]);
});

test("reports unavailable if there is no server", async () => {
  const server = await serving(() => {});
  const transport = server.transport({ headers: { authorization: "secret" } });
  await server[Symbol.asyncDispose]();
  const error = await failure(transport.call({ method: "POST", path: "/things" }));
  expect(error).toMatchObject({ kind: "unavailable", retryable: true });
  expect(inspect(error, { depth: 9 })).not.toContain("secret");
});

test("reports unknown_outcome after a time-out or lost connection", async () => {
  await using silent = await serving(() => {});
  const late = await failure(silent.transport({ timeoutMs: 50 }).call({ method: "POST", path: "/things", body: "{}" }));
  expect(late).toMatchObject({ kind: "unknown_outcome", retryable: false });
  await using broken = await serving((request) => request.socket.destroy());
  const lost = await failure(broken.transport().call({ method: "POST", path: "/things", body: "{}" }));
  expect(lost.kind).toBe("unknown_outcome");
});

test("rejects a response beyond the size limit", async () => {
  await using server = await serving((_, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(65_536, 97)));
    };
    response.on("drain", more);
    more();
  });
  const error = await failure(server.transport({ replyLimit: 1_000_000 }).call({ method: "GET", path: "/" }));
  expect(VendorError.is(error)).toBe(true);
  expect(error.kind).toBe("bad_reply");
});

test("rejects an invalid base URL", () => {
  expect(() => createTransport({ baseUrl: "example.com" })).toThrow(/http or https/);
});

test("rejects a secret that no header can hold, without repeating it", () => {
  const create = (options: Partial<TransportOptions>) => () =>
    createTransport({ baseUrl: "https://vendor.example", ...options });
  expect(create({ baseUrl: "https://me:hunter2@vendor.example/api" })).toThrow(
    "baseUrl must not hold a user or a password",
  );
  expect(create({ headers: { authorization: "Bearer hunter\n2" } })).toThrow(
    "The value of the header authorization has a character that no header can hold",
  );
  expect(create({ baseUrl: "https://vendor.example:port" })).toThrow("baseUrl must be an http or https URL");
});
