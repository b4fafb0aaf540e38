import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demoSubscription } from "./testing/demo-subscription.ts";
import { type GatewayProcess, startGateway, temporaryFolder } from "./testing/gateway-process.ts";

const folder = temporaryFolder();
let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGateway({
    REINSTATE_DEMO: "true",
    REINSTATE_DATABASE_URL: `sqlite:${folder.path}/reinstate.db`,
    LOG_LEVEL: "silent",
  });
}, 60_000);

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };

async function post(path: string, headers: Record<string, string>, body: string | Uint8Array) {
  const response = await fetch(`${gateway.baseUrl}${path}`, {
    method: "POST",
    headers,
    body: body as RequestInit["body"],
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

describe("the account of a batch", () => {
  const restore = "firstpromoter.promoters.restore";
  const rejected = async (given: Record<string, unknown>, query: Record<string, string>, lines: string) => {
    const answers = [
      await post("/v1/batches", admin, JSON.stringify(given)),
      await post(
        `/v1/batches?${new URLSearchParams(query)}`,
        { ...admin, "content-type": "application/x-ndjson" },
        lines,
      ),
    ];
    for (const { status, json } of answers) {
      expect({ given, status, path: json.errors?.[0]?.path }).toEqual({ given, status: 422, path: "account" });
    }
  };

  test("is required and must be known for FirstPromoter", async () => {
    for (const account of [undefined, "", "acc_dem", "ACC_DEMO", "acc_demo ", "acc_demo,acc_other"]) {
      const given = { operation: restore, ...(account !== undefined && { account }) };
      await rejected({ ...given, items: [1] }, given, "1\n2\n");
    }
    for (const account of ["acc_demo", "acc_other"]) {
      const answer = await post(
        "/v1/batches",
        admin,
        JSON.stringify({ operation: restore, account, items: [1, 2001] }),
      );
      expect(answer).toMatchObject({ status: 201, json: { done: 1, failed: 1 } });
    }
  });

  test("is rejected for Altcraft and VICIdial", async () => {
    const undelete = { operation: "altcraft.subscriptions.undelete", account: "acc_demo" };
    await rejected({ ...undelete, items: [demoSubscription] }, undelete, `${JSON.stringify(demoSubscription)}\n{}\n`);
    const dearchive = { operation: "vicidial.leads.dearchive", account: "acc_demo" };
    const params = { insert_leads: true, delete_leads: true };
    await rejected({ ...dearchive, params, items: [1] }, { ...dearchive, params: JSON.stringify(params) }, "1\n2\n");
    const filtered = { ...dearchive, params, filter: { entry_date_from: "2020-01-01" } };
    const { status, json } = await post("/v1/batches", admin, JSON.stringify(filtered));
    expect([status, json.errors[0].path]).toEqual([422, "account"]);
  });
});

describe("a compressed body", () => {
  const firstpromoter = { authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_demo" };
  const token = "demo-altcraft-token";
  const xml = `<xml><token>${token}</token></xml>`;
  const leads = { insert_leads: true, delete_leads: true, lead_ids: [1] };
  const calls: [string, Record<string, string>, string, RegExp][] = [
    ["/api/v2/company/promoters/restore", firstpromoter, '{"ids":[9]}', /^\{"message":.*"code":"encoded_body"\}$/],
    ["/api/v2/company/promoters", firstpromoter, '{"email":"a@example.com"}', /"encoded_body"/],
    [
      "/api/v1.1/subscriptions/undelete",
      {},
      JSON.stringify({ token, ...demoSubscription }),
      /^\{"error":415,"error_text":".+"\}$/,
    ],
    ["/api/v1.1/subscriptions/undelete", { "content-type": "application/xml" }, xml, /^<xml><error>415<\/error>/],
    [
      "/vicidial/leads/dearchive",
      { authorization: "Key=demo-vicidial-key" },
      JSON.stringify(leads),
      /^\{"message":".+","lead_errors":0,"lead_ids":\[\]\}$/,
    ],
    ["/vicidial/lead/dearchive", { authorization: "Key=demo-vicidial-key" }, JSON.stringify(leads), /^\{".+/],
    ["/vicidial/non_agent_api.php", {}, "function=lead_dearchive&lead_id=1", /^ERROR: /],
    ["/v1/batches", admin, '{"operation":"vicidial.leads.dearchive"}', /unsupported-media-type/],
  ];

  test.each(calls)("is answered with 415 in the form of %s", async (path, headers, body, form) => {
    const encodings = { gzip: gzipSync(body), deflate: deflateSync(body), br: brotliCompressSync(body) };
    for (const [encoding, bytes] of Object.entries(encodings)) {
      const answer = await post(
        path,
        { "content-type": "application/json", ...headers, "content-encoding": encoding },
        bytes,
      );
      expect({ encoding, status: answer.status, text: answer.text }).toEqual({
        ...{ encoding, status: 415, text: expect.stringMatching(form) },
      });
    }
  });
});

describe("a body that is not JSON", () => {
  test.each(["", "{", '{"operation":"x"}}', '{"items":[1],"items":[2]}', "\xff"])(
    "is answered with 400: %j",
    async (body) => {
      const answer = await post("/v1/batches", admin, Buffer.from(body, "latin1"));
      expect(answer).toMatchObject({
        status: 400,
        json: { type: "urn:reinstate:problem:malformed-json", status: 400 },
      });
    },
  );
});

describe("a body that is nested too deep", () => {
  const firstpromoter = { authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_demo" };
  const vicidial = { authorization: "Key=demo-vicidial-key" };
  const list = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  /** A body of this depth for each API, with the status that its own documents have for a body that is not readable. */
  const calls: [string, Record<string, string>, (depth: number) => string, number, RegExp][] = [
    ["/v1/batches", admin, (depth) => `{"items":${list(depth - 1)}}`, 400, /malformed-json/],
    [
      "/api/v2/company/promoters/restore",
      firstpromoter,
      (depth) => `{"ids":${list(depth - 1)}}`,
      400,
      /not valid JSON/,
    ],
    [
      "/api/v1.1/subscriptions/set",
      {},
      (depth) => `{"token":"demo-altcraft-token","custom_fields":${list(depth - 1)}}`,
      400,
      /nested more than 64 deep/,
    ],
    [
      "/api/v1.1/subscriptions/set",
      { "content-type": "application/xml" },
      (depth) => `<xml><token>demo-altcraft-token</token>${"<a>".repeat(depth - 1)}${"</a>".repeat(depth - 1)}</xml>`,
      400,
      /nested more than 64 deep/,
    ],
    ["/vicidial/leads/dearchive", vicidial, (depth) => `{"lead_ids":${list(depth - 1)}}`, 500, /MaxDepth of 64/],
  ];

  test.each(calls)("is rejected by %s %j", async (path, headers, body, status, words) => {
    const send = (depth: number) => post(path, { "content-type": "application/json", ...headers }, body(depth));
    for (const depth of [65, 1000, 8000]) expect(await send(depth)).toMatchObject({ status });
    expect((await send(65)).text).toMatch(words);
    expect((await send(64)).text).not.toMatch(words);
  });
});
