import { execFile } from "node:child_process";
import { once } from "node:events";
import { createReadStream, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GatewayProcess, startGateway, temporaryFolder } from "./testing/gateway-process.ts";
import { sendRaw } from "./testing/raw-http.ts";

const admin = "demo-admin-key";
const megabytes = 1024 * 1024;

const database = sqliteDatabase();
const folder = temporaryFolder();
/** 60 MB of JSON that is larger than any route takes. */
const large = join(folder.path, "large.json");
let gateway: GatewayProcess;

beforeAll(async () => {
  writeFileSync(large, `{"ids":[1`);
  truncateSync(large, 60 * megabytes);
  gateway = await startGateway({ REINSTATE_DATABASE_URL: database.url, REINSTATE_DEMO: "yes" });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

describe("Host header", () => {
  test("answers HTTP/1.0 without Host", async () => {
    const reply = await sendRaw(gateway.baseUrl, "GET /healthz HTTP/1.0\r\n\r\n");
    expect(reply).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  });

  test.each([
    "localhost:",
    "LOCALHOST:8787",
    ":8787",
    "",
    "127.1",
    "256.256.256.256",
    "1.2.3.4.5:80",
    "a_b.example.",
    "example.com:99999",
    "xn--nxasmq6b",
    "a%2db",
    "it's!fine",
    "[::1]",
    "[0:0:0:0:0:0:0:1]:8787",
    "[fe80::1%25eth0]:80",
  ])("answers a call for Host %j", async (host) => {
    for (const path of ["/healthz", "/healthz?odd={}|"]) {
      const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      expect((await sendRaw(gateway.baseUrl, request)).status).toBe(200);
    }
  });

  test.each(["a b", "a/b", "user@host", "a?b", "[::1", "host:80a"])("rejects Host %j", async (host) => {
    const request = `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const reply = await sendRaw(gateway.baseUrl, request);
    expect(reply).toMatchObject({ status: 400, headers: { "content-type": "application/problem+json" } });
  });
});

describe("slashes in a path", () => {
  const demo: Record<string, { method?: string; headers: Record<string, string>; body?: string }> = {
    "/api/v2/company/promoters": {
      headers: { authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_demo" },
    },
    "/api/v1.1/subscriptions/list": {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: "demo-altcraft-token", db_id: 1, profile_id: "507f1f77bcf86cd799439011" }),
    },
    "/vicidial/leads/dearchive": {
      method: "POST",
      headers: { authorization: "Key=demo-vicidial-key", "content-type": "application/json" },
      body: JSON.stringify({ insert_leads: true, delete_leads: false, lead_ids: [900] }),
    },
    "/vicidial/non_agent_api.php": { headers: {} },
    "/v1/batches": { headers: { authorization: `Bearer ${admin}` } },
    "/healthz": { headers: {} },
    "/readyz": { headers: {} },
  };
  const variants = (path: string) => [`/${path}`, `${path}/`, `${path}//`, path.replaceAll("/", "///"), `//${path}//`];

  test.each(Object.keys(demo))("%s is the same path with doubled and trailing slashes", async (path) => {
    const call = async (path: string) => {
      const response = await fetch(
        `${gateway.baseUrl}${path}?limit=2`,
        demo[path.replace(/\/+/g, "/").replace(/\/$/, "")],
      );
      return { status: response.status, type: response.headers.get("content-type") };
    };
    const plain = await call(path);
    expect(plain.status).not.toBe(404);
    for (const variant of variants(path)) expect([variant, await call(variant)]).toEqual([variant, plain]);
  });

  test("keeps encoded slashes and the query as they are", async () => {
    const status = async (path: string, headers = {}) => (await fetch(`${gateway.baseUrl}${path}`, { headers })).status;
    const headers = demo["/api/v2/company/promoters"]?.headers;
    expect(await status("/healthz%2f")).toBe(404);
    expect(await status("/v1%2Fbatches", { authorization: `Bearer ${admin}` })).toBe(404);
    expect(await status("/api/v2/company/promoters%2F1", headers)).toBe(404);
    const response = await fetch(`${gateway.baseUrl}//v1/batches?operation=a//b/`, {
      headers: { authorization: `Bearer ${admin}` },
    });
    expect(response.status).toBe(200);
  });
});

describe("keep-alive", () => {
  test("names a time above what proxies keep", async () => {
    const response = await fetch(`${gateway.baseUrl}/healthz`);
    expect(response.headers.get("keep-alive")).toBe("timeout=75");
  });

  test("follows its setting", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startGateway({
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_KEEP_ALIVE_SECONDS: "1",
    });
    const { hostname, port } = new URL(gateway.baseUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    const [reply] = (await once(socket, "data")) as [Buffer];
    expect(reply.toString()).toMatch(/keep-alive: timeout=1\r\n/i);
    socket.resume();
    await once(socket, "close");
  });
});

/** Each kind of early answer: the path, the headers, the status. */
const refusals: [string, Record<string, string>, number][] = [
  ["/v1/batches", { authorization: `Bearer ${admin}`, "content-type": "application/json" }, 413],
  ["/v1/batches", { authorization: "Bearer wrong", "content-type": "application/json" }, 401],
  ["/v1/batches", { authorization: `Bearer ${admin}`, "content-type": "text/plain" }, 415],
  ["/v1/nothing", { authorization: `Bearer ${admin}` }, 404],
  ["/nothing", {}, 404],
  ["/api/v2/company/promoters/restore", { authorization: "Bearer wrong", "account-id": "acc_demo" }, 401],
  [
    "/api/v2/company/promoters/restore",
    { authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_other" },
    403,
  ],
  [
    "/api/v2/company/promoters/restore",
    { authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_demo" },
    413,
  ],
  ["/api/v1.1/subscriptions/undelete", { "content-type": "application/json" }, 413],
  ["/vicidial/leads/dearchive", { authorization: "Key=demo-vicidial-key" }, 413],
  ["/vicidial/leads/dearchive", { authorization: "Key=wrong" }, 401],
  ["/vicidial/non_agent_api.php", {}, 413],
];

describe.each(refusals)("a body of 60 MB to %s with %j", (path, headers, status) => {
  test("shows the answer to a client that first sends everything", async () => {
    const { hostname, port } = new URL(gateway.baseUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    const head = Object.entries({ ...headers, host: "x", "content-length": String(60 * megabytes) });
    socket.write(`POST ${path} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
    for (let sent = 0; sent < 60; sent++) {
      if (!socket.write(Buffer.alloc(megabytes, 32))) await once(socket, "drain");
    }
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    await until(() => text.startsWith(`HTTP/1.1 ${status} `));
    socket.destroy();
  });
});

const someRefusals = refusals.filter(
  (refusal, index) => refusals.findIndex(([, , status]) => status === refusal[2]) === index && refusal[2] !== 404,
);

describe.each(someRefusals)("a body of 60 MB to %s with %j", (path, headers, status) => {
  const curl = async (...options: string[]) => {
    const { stdout } = await promisify(execFile)("curl", [
      "--silent",
      "--show-error",
      "--data-binary",
      `@${large}`,
      "--write-out",
      "\n%{http_code}",
      ...Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]),
      ...options,
      `${gateway.baseUrl}${path}`,
    ]);
    return Number(stdout.slice(stdout.lastIndexOf("\n") + 1));
  };

  test("shows curl the answer", async () => {
    expect(await curl()).toBe(status);
    expect(await curl("--header", "Expect:")).toBe(status);
    expect(await curl("--header", "Expect:", "--header", "Transfer-Encoding: chunked")).toBe(status);
    expect(await curl("--http1.0")).toBe(status);
  });

  test("shows fetch the answer, streamed and whole", async () => {
    const send = async (init: RequestInit) => {
      const response = await fetch(`${gateway.baseUrl}${path}`, { method: "POST", headers, ...init });
      await response.text();
      return response.status;
    };
    const streamed = Readable.toWeb(createReadStream(large)) as unknown as RequestInit["body"];
    expect(await send({ body: streamed, duplex: "half" } as RequestInit)).toBe(status);
    expect(await send({ body: Buffer.alloc(60 * megabytes, 32) })).toBe(status);
  });
});

describe("an early answer", () => {
  const expecting = (length: number) =>
    `POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n`;

  test("comes instead of 100 Continue", async () => {
    const { hostname, port } = new URL(gateway.baseUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    socket.write(`${expecting(60_000_000)}\r\n`);
    const [reply] = (await once(socket, "data")) as [Buffer];
    expect(reply.toString()).toMatch(/^HTTP\/1\.1 401 /);
    socket.destroy();
  });

  test("comes after 100 Continue if the body is read", async () => {
    const { hostname, port } = new URL(gateway.baseUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    const body = JSON.stringify({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [700] });
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    socket.write(`${expecting(body.length)}Authorization: Bearer ${admin}\r\n\r\n`);
    await until(() => text === "HTTP/1.1 100 Continue\r\n\r\n");
    socket.write(body);
    await until(() => text.includes("HTTP/1.1 201 Created"));
    socket.destroy();
  });

  test("leaves the connection open if little is left of the body", async () => {
    const { hostname, port } = new URL(gateway.baseUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    socket.write("POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
    await until(() => text.includes("HTTP/1.1 401"));
    socket.write("0123456789GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => text.includes('{"status":"ok"}'));
    socket.destroy();
  });

  test("ends the connection of a client that sends on without an end", async () => {
    const { hostname, port } = new URL(gateway.baseUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    socket.on("error", () => {});
    socket.resume();
    socket.write(`POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: ${10 ** 12}\r\n\r\n`);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const part = Buffer.alloc(megabytes);
    let sent = 0;
    while (!socket.destroyed && sent < 2000) {
      sent++;
      if (!socket.write(part)) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
    }
    expect(sent).toBeLessThan(400);
  });
});

describe("events of a batch", () => {
  const submit = async () => {
    const response = await fetch(`${gateway.baseUrl}/v1/batches`, {
      method: "POST",
      headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
      body: JSON.stringify({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [600, 601] }),
    });
    return ((await response.json()) as { id: number }).id;
  };
  const head = (id: number, version: string, more = "") =>
    `GET /v1/batches/${id}/events HTTP/${version}\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\n${more}\r\n`;

  test.each([
    ["1.0", ""],
    ["1.1", "Connection: close\r\n"],
  ])("are not chunked for HTTP/%s with %j", async (version, more) => {
    const reply = await sendRaw(gateway.baseUrl, head(await submit(), version, more));
    expect(reply.status).toBe(200);
    expect(reply.headers).toMatchObject({ connection: "close", "content-type": "text/event-stream" });
    expect(reply.headers["transfer-encoding"]).toBeUndefined();
    expect(reply.body).toMatch(
      /^event: progress\ndata: \{.*\}\nid: \S+\nretry: \d+\n\nevent: end\ndata: \{.*\}\nid: \S+\n\n$/,
    );
  });

  test("end with 204 for a client that has seen the end", async () => {
    const id = await submit();
    const { body } = await sendRaw(gateway.baseUrl, head(id, "1.1", "Connection: close\r\n"));
    const [first, last] = [...body.matchAll(/^id: (.*)$/gm)].map(([, id]) => id);
    const again = async (last?: string) =>
      (await sendRaw(gateway.baseUrl, head(id, "1.1", `Connection: close\r\nLast-Event-ID: ${last}\r\n`))).status;
    expect(await again(last)).toBe(204);
    expect(await again(first)).toBe(200);
    expect(await again("something else")).toBe(200);
  });
});

test("a silent connection stays open between requests", async () => {
  const health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
  const open = async (port: number) => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const closed = once(socket, "close");
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    socket.write(health);
    await until(() => text.includes('{"status":"ok"}'));
    return { socket, closed, text: () => text };
  };
  const ours = await open(Number(new URL(gateway.baseUrl).port));
  // Node itself closes a silent connection after five seconds.
  await using server = createServer((_, response) => response.end('{"status":"ok"}'));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const other = await open((server.address() as AddressInfo).port);
  await other.closed;
  ours.socket.write(health);
  await until(() => ours.text().split('{"status":"ok"}').length === 3);
  ours.socket.destroy();
});
