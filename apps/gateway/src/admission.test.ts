import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { silentLog } from "@reinstate/batch-core";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { vendors } from "./all-vendors.ts";
import { readSettings } from "./config.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { createHttpServer } from "./server.ts";
import { demoSubscription as subscription } from "./testing/demo-subscription.ts";
import { type HttpConnection, openHttp, type TimedAnswer, writeRequest } from "./testing/http-connection.ts";

interface Served extends AsyncDisposable {
  gateway: Gateway;
  server: Server;
  baseUrl: string;
}

/** The demo gateway in this process, so that a test can take the places of calls itself. */
async function serve(settings: Record<string, string> = {}): Promise<Served> {
  const database = sqliteDatabase();
  const config = readSettings({
    env: { REINSTATE_DATABASE_URL: database.url, REINSTATE_DEMO: "true", ...settings },
    vendors,
  });
  const gateway = await createGateway(config, vendors, silentLog);
  const server = createHttpServer(gateway.fetch, { ...config, admission: gateway.host.admission });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    gateway,
    server,
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await gateway.stop();
      await database[Symbol.asyncDispose]();
    },
  };
}

interface Call {
  path: string;
  headers?: Record<string, string>;
  body: string;
}

const json = { "content-type": "application/json" };
const leads = JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids: [7] });

/** A call of each API by a caller with this key. */
const apis: Record<
  string,
  { vendor: string; key: string; call(key: string): Call; unauthorized: RegExp; form: RegExp }
> = {
  "/v1": {
    vendor: "admin",
    key: "demo-admin-key",
    call: (key) => ({ path: "/v1/batches/1/stop", headers: { authorization: `Bearer ${key}` }, body: "" }),
    unauthorized: /urn:reinstate:problem:unauthorized/,
    form: /^\{"type":"urn:reinstate:problem:(overloaded|too-many-requests)","title":"[^"]+","status":(503|429),"detail":"[^"]+"\}$/,
  },
  FirstPromoter: {
    vendor: "firstpromoter",
    key: "demo-firstpromoter-key",
    call: (key) => ({
      path: "/api/v2/company/promoters/restore",
      headers: { ...json, authorization: `Bearer ${key}`, "account-id": "acc_demo" },
      body: '{"ids":[7]}',
    }),
    unauthorized: /^$/,
    form: /^\{"message":"[^"]+","code":"(service_unavailable|too_many_requests)"\}$/,
  },
  "Altcraft in JSON": {
    vendor: "altcraft",
    key: "demo-altcraft-token",
    call: (token) => ({
      path: "/api/v1.1/subscriptions/undelete",
      headers: json,
      body: JSON.stringify({ token, ...subscription }),
    }),
    unauthorized: /^\{"error":401,"error_text":"API token is not valid"\}$/,
    form: /^\{"error":(503|429),"error_text":"[^"]+"\}$/,
  },
  "Altcraft in XML": {
    vendor: "altcraft",
    key: "demo-altcraft-token",
    call: (token) => ({
      path: "/api/v1.1/subscriptions/undelete",
      headers: { "content-type": "application/xml" },
      body: `<xml><token>${token}</token></xml>`,
    }),
    unauthorized: /^<xml><error>401<\/error><error_text>API token is not valid<\/error_text><\/xml>$/,
    form: /^<xml><error>(503|429)<\/error><error_text>[^<]+<\/error_text><\/xml>$/,
  },
  VICIdial: {
    vendor: "vicidial",
    key: "demo-vicidial-key",
    call: (key) => ({
      path: "/vicidial/leads/dearchive",
      headers: { ...json, authorization: `Key=${key}` },
      body: leads,
    }),
    unauthorized:
      /^\{"message":"unable to validate api user","lead_errors":0,"lead_ids":\[\]\}$|^\{"message":"unable to validate api user"\}$/,
    form: /^\{"message":"[^"]+","lead_errors":0,"lead_ids":\[\]\}$/,
  },
  "VICIdial, legacy": {
    vendor: "vicidial",
    key: "demo-vicidial-key",
    call: (key) => ({
      path: "/vicidial/lead/dearchive/",
      headers: { ...json, authorization: `Key=${key}` },
      body: leads,
    }),
    unauthorized: /"unable to validate api user".*"http_code":401/,
    form: /^\{"message":"[^"]+","http_code":(503|429)\}$/,
  },
};

async function send(baseUrl: string, { path, headers = {}, body }: Call, more: Record<string, string> = {}) {
  const response = await fetch(`${baseUrl}${path}`, { method: "POST", headers: { ...headers, ...more }, body });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** A call on a connection of its own. */
async function openOnce(baseUrl: string, request: Buffer): Promise<TimedAnswer> {
  const connection = openHttp(baseUrl);
  const answer = await connection.call(request);
  connection.close();
  return answer;
}

/** A call that waited is served, unless the machine stood still until its wait was over. */
function expectWait({ status, ms }: TimedAnswer): void {
  if (ms < 900) expect(status).toBe(200);
}

const native = (baseUrl: string, pass: string) =>
  send(baseUrl, { path: "/vicidial/non_agent_api.php", body: `user=6666&pass=${pass}&function=lead_dearchive` });

describe("a process with no place for a call", () => {
  let served: Served;
  beforeAll(async () => {
    served = await serve({ REINSTATE_MAX_IN_FLIGHT: "1" });
  });
  afterAll(() => served[Symbol.asyncDispose]());

  test.each(Object.entries(apis))("answers 503 in the form of %s", async (_, { key, call, form }) => {
    const leave = served.gateway.host.admission.enter(new Request("http://localhost/"));
    onTestFinished(leave);
    // The first answer is the API's own; the next ones are copies.
    for (const caller of [key, key, "wrong"]) {
      // Not read for a while after its call was turned away.
      const { status, headers, text } = await send(served.baseUrl, call(caller), { connection: "close" });
      expect({ status, text }).toEqual({ status: 503, text: expect.stringMatching(form) });
      expect(headers.get("retry-after")).toBe("1");
      expect(headers.get("x-request-id")).toMatch(/^[\w-]{36}$/);
    }
    leave();
    expect((await send(served.baseUrl, call(key))).status).not.toBe(503);
  });

  test("answers 503 to VICIdial's own call", async () => {
    const leave = served.gateway.host.admission.enter(new Request("http://localhost/"));
    onTestFinished(leave);
    for (let count = 0; count < 2; count++) {
      const { status, headers, text } = await native(served.baseUrl, "1234");
      expect({ status, text }).toEqual({ status: 503, text: "ERROR: The server is busy; try again in a second\n" });
      expect(headers.get("retry-after")).toBe("1");
    }
    leave();
    expect((await native(served.baseUrl, "1234")).text).toMatch(/^ERROR: Login incorrect/);
  });

  describe("and clients that call in a loop", () => {
    const { call, key } = apis.FirstPromoter as (typeof apis)[string];
    const { path, headers, body } = call(key);
    const request = writeRequest("POST", path, { ...headers }, body);

    /** Opens connections whose first call is rejected with the copied reply. */
    async function openRejected(count: number, { baseUrl } = served): Promise<HttpConnection[]> {
      // The reply of this API is learned.
      await openOnce(baseUrl, request);
      const connections = Array.from({ length: count }, () => openHttp(baseUrl));
      onTestFinished(() => {
        for (const connection of connections) connection.close();
      });
      for (const connection of connections) expect(await connection.call(request)).toMatchObject({ status: 503 });
      return connections;
    }

    test("rejects the first call at once, the next ones after a second", async () => {
      const leave = served.gateway.host.admission.enter(new Request("http://localhost/"));
      onTestFinished(leave);
      const [looping] = (await openRejected(1)) as [HttpConnection];
      const { status, ms } = await looping.call(request);
      expect(status).toBe(503);
      expect(ms).toBeGreaterThan(900);
      const health = openHttp(served.baseUrl);
      onTestFinished(() => health.close());
      const next = looping.call(request);
      expect(await health.call(writeRequest("GET", "/healthz", {}))).toMatchObject({ status: 200 });
      leave();
      expectWait(await next);
    });

    test("serves their connections in turn", async () => {
      const leave = served.gateway.host.admission.enter(new Request("http://localhost/"));
      onTestFinished(leave);
      const connections = await openRejected(3);
      const order: number[] = [];
      const calls = connections.map(async (connection, index) => {
        while (order.length < 12) {
          const { status } = await connection.call(request);
          if (status === 200 && order.length < 12) order.push(index);
        }
      });
      leave();
      await Promise.all(calls);
      // Four each, unless the machine stood still for a second.
      for (const index of connections.keys()) {
        expect(order.filter((other) => other === index).length).toBeGreaterThanOrEqual(3);
      }
    });

    test("answers calls that wait on their connections when it stops", async () => {
      await using stopping = await serve({ REINSTATE_MAX_IN_FLIGHT: "1" });
      onTestFinished(stopping.gateway.host.admission.enter(new Request("http://localhost/")));
      const connections = await openRejected(3, stopping);
      const calls = connections.map((connection) => connection.call(request));
      await openOnce(stopping.baseUrl, writeRequest("GET", "/healthz", {}));
      const closed = once(stopping.server, "close");
      stopping.server.close();
      expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([503, 503, 503]);
      await closed;
    });
  });

  test("answers /healthz and /readyz", async () => {
    onTestFinished(served.gateway.host.admission.enter(new Request("http://localhost/")));
    for (const path of ["/healthz", "/readyz", "/readyz/altcraft"]) {
      expect((await fetch(`${served.baseUrl}${path}`)).status).toBe(200);
    }
  });

  test("does not count calls that wait for their clients", async () => {
    const calls = Array.from({ length: 5 }, () => {
      let end = () => {};
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from("1\n"));
          end = () => controller.close();
        },
      });
      const headers = { authorization: "Bearer demo-admin-key", "content-type": "application/x-ndjson" };
      const query = "operation=firstpromoter.promoters.restore&account=acc_demo";
      const answer = () =>
        fetch(`${served.baseUrl}/v1/batches?${query}`, {
          method: "POST",
          headers,
          body,
          duplex: "half",
        } as RequestInit);
      return { answer, end };
    });
    const { admission } = served.gateway.host;
    const answers: Promise<Response>[] = [];
    for (const { answer } of calls) {
      answers.push(answer());
      await until(() => admission.counts().inFlight === 1);
      await until(() => admission.counts().inFlight === 0);
    }
    for (const [index, { end }] of calls.entries()) {
      end();
      expect((await answers[index])?.status).toBe(201);
    }
  });
});

describe("a key with too many calls", () => {
  test.each(Object.entries(apis))("gets 429 in the form of %s", async (_, { vendor, key, call, form }) => {
    await using served = await serve({ REINSTATE_MAX_IN_FLIGHT_PER_KEY: "1" });
    const { admission } = served.gateway.host;
    const other = new Request("http://localhost/");
    const leave = admission.enter(other);
    await admission.findKey(other, vendor, key);
    const { status, headers, text } = await send(served.baseUrl, call(key));
    expect({ status, text }).toEqual({ status: 429, text: expect.stringMatching(form) });
    expect(headers.get("retry-after")).toBe("1");
    leave();
    expect((await send(served.baseUrl, call(key))).status).not.toBe(429);
  });
});

describe("a key whose client calls in a loop", () => {
  test("waits for its own places while other keys are served", async () => {
    await using served = await serve({ REINSTATE_MAX_IN_FLIGHT_PER_KEY: "1" });
    const { admission, keys } = served.gateway.host;
    const { vendor, key, call } = apis.FirstPromoter as (typeof apis)[string];
    const { secret: other } = await keys.create({ vendor, account: "acc_demo" });
    const write = (secret: string) => {
      const { path, headers, body } = call(secret);
      return writeRequest("POST", path, { ...headers }, body);
    };
    const held = new Request("http://localhost/");
    const leave = admission.enter(held);
    onTestFinished(leave);
    await admission.findKey(held, vendor, key);
    const [looping, calm] = [openHttp(served.baseUrl), openHttp(served.baseUrl)];
    onTestFinished(() => {
      for (const connection of [looping, calm]) connection.close();
    });
    expect(await looping.call(write(key))).toMatchObject({ status: 429 });
    const next = looping.call(write(key));
    for (let count = 0; count < 5; count++) expect(await calm.call(write(other))).toMatchObject({ status: 200 });
    leave();
    expectWait(await next);
  });
});

describe("wrong keys", () => {
  test.each(Object.entries(apis))("of one address get 429 in the form of %s", async (_, api) => {
    const { key, call, unauthorized, form } = api;
    await using served = await serve();
    for (let count = 1; count <= 25; count++) {
      const { status, headers, text } = await send(served.baseUrl, call(`wrong-${count}`));
      const expected = count <= 20 ? { status: 401, text: unauthorized } : { status: 429, text: form };
      expect({ count, status, text }).toEqual({ count, ...expected, text: expect.stringMatching(expected.text) });
      expect(Number(headers.get("retry-after") ?? 0)).toBeLessThanOrEqual(60);
      expect(headers.has("retry-after")).toBe(count > 20);
    }
    expect([401, 429]).not.toContain((await send(served.baseUrl, call(key))).status);
  });

  test("of VICIdial's own call get 429", async () => {
    await using served = await serve();
    for (let count = 1; count <= 21; count++) {
      const { status, text } = await native(served.baseUrl, "1234");
      if (count <= 20) expect(text).toBe("ERROR: Login incorrect, please try again: |6666|1234|BAD|\n");
      else expect([status, text]).toEqual([429, "ERROR: Too many wrong keys from this address; check the key\n"]);
    }
  });

  test("are counted per address behind a trusted proxy", async () => {
    await using served = await serve({
      REINSTATE_WRONG_KEYS_PER_MINUTE: "1",
      REINSTATE_TRUSTED_PROXIES: "127.0.0.0/8, 10.0.0.1",
    });
    const { call } = apis.FirstPromoter as (typeof apis)[string];
    const from = async (address: string) =>
      (await send(served.baseUrl, call("wrong"), { "x-forwarded-for": address })).status;
    expect(await from("203.0.113.1")).toBe(401);
    expect(await from("198.51.100.9, 203.0.113.1, 10.0.0.1")).toBe(429);
    expect(await from("203.0.113.1, 203.0.113.2")).toBe(401);
    expect(await from("2001:db8:0:1::1")).toBe(401);
    expect(await from("2001:db8:0:1:ffff::2")).toBe(429);
    expect(await from("2001:db8:0:2::1")).toBe(401);
  });

  test("are counted for the proxy if it is not trusted", async () => {
    await using served = await serve({ REINSTATE_WRONG_KEYS_PER_MINUTE: "1" });
    const { call } = apis.FirstPromoter as (typeof apis)[string];
    const headers = (address: string) => ({ "x-forwarded-for": address });
    expect((await send(served.baseUrl, call("wrong"), headers("203.0.113.1"))).status).toBe(401);
    expect((await send(served.baseUrl, call("wrong"), headers("203.0.113.2"))).status).toBe(429);
  });
});
