import { until } from "@reinstate/batch-core/testing";
import { ledgerDatabases, type TestDatabase } from "@reinstate/tooling/databases";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demoProfile as subscription } from "./testing/demo-subscription.ts";
import { type GatewayProcess, startGateway, temporaryFolder } from "./testing/gateway-process.ts";

// The calls of the three vendors' documents, as printed there but for host and key, against the real process.
// All tests of one database share its gateway, and each uses records of its own or puts them back.
describe.each(ledgerDatabases)("the demo on $name", ({ open }) => {
  const folder = temporaryFolder();
  let database: TestDatabase;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    database = await open();
    gateway = await startGateway({
      REINSTATE_DEMO: "true",
      REINSTATE_DATA: folder.path,
      REINSTATE_DATABASE_URL: database.url,
      LOG_LEVEL: "silent",
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const call = async (path: string, { body, ...init }: Omit<RequestInit, "body"> & { body?: unknown } = {}) => {
    const response = await fetch(`${gateway.baseUrl}${path}`, {
      method: body === undefined ? "GET" : "POST",
      ...init,
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  };

  const firstpromoter = {
    authorization: "Bearer demo-firstpromoter-key",
    "account-id": "acc_demo",
    "content-type": "application/json",
  };
  const admin = { authorization: "Bearer demo-admin-key" };
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

  test("FirstPromoter restores 1, 5, 6 and 900 promoters", async () => {
    const restore = (ids: number[]) =>
      call("/api/v2/company/promoters/restore", { headers: firstpromoter, body: { ids } });
    for (const ids of [[1], range(2, 6)]) {
      const { status, json } = await restore(ids);
      expect(status).toBe(200);
      expect(json).toEqual({
        ...{ id: expect.any(Number), status: "completed", total: ids.length, selected_total: ids.length },
        ...{ processed_count: ids.length, failed_count: 0, action_label: "promoter/restore" },
        ...{ created_at: expect.stringMatching(/\.\d{3}Z$/), updated_at: expect.stringMatching(/\.\d{3}Z$/) },
        ...{ meta: {}, progress: 100, processing_errors: [] },
      });
    }
    for (const ids of [range(7, 12), range(1, 900)]) {
      const { status, json, headers } = await restore(ids);
      expect(status).toBe(202);
      expect(json).toMatchObject({ status: "pending", total: ids.length, processed_count: 0, progress: 0 });
      const batch = await until(async () => {
        const { json: batch } = await call(`/api/v2/company/batch_processes/${json.id}`, {
          headers: firstpromoter,
        });
        return batch.status === "completed" && batch;
      });
      expect(batch).toMatchObject({ processed_count: ids.length, failed_count: 0, progress: 100 });
      const { json: ours } = await call(`/v1/batches/${headers.get("x-reinstate-batch")}`, { headers: admin });
      expect(ours).toMatchObject({ id: json.id, total: ids.length, processed: ids.length });
    }
    const { json: list } = await call("/api/v2/company/promoters?filters[archived]=true&per_page=100", {
      headers: firstpromoter,
    });
    expect(list.data).toEqual([]);
  });

  const channels: [string, object, string][] = [
    ["email", { email: "john@example.com" }, "<email>john@example.com</email>"],
    [
      "push",
      { provider: "Firefox", subscription_id: "abcdefghijklmnqrstuvwxyz" },
      "<provider>Firefox</provider><subscription_id>abcdefghijklmnqrstuvwxyz</subscription_id>",
    ],
    ["sms", { phone: "+79000000000" }, "<phone>+79000000000</phone>"],
    ["telegram_bot", { cc_data: { id: 1 } }, "<cc_data><id>1</id></cc_data>"],
    ["whatsapp", { cc_data: { phone: "+79000000000" } }, "<cc_data><phone>+79000000000</phone></cc_data>"],
  ];

  test.each(channels)(
    "Altcraft undeletes a subscription of the channel %s, in JSON and in XML",
    async (channel, address, xml) => {
      const token = "demo-altcraft-token";
      const body = { token, ...subscription, channel, ...address };
      const path = (method: string) => `/api/v1.1/subscriptions/${method}`;
      const json = { "content-type": "application/json" };
      expect((await call(path("get"), { headers: json, body })).json).toMatchObject({ error: 404 });
      const undeleted = await call(path("undelete"), { headers: json, body });
      expect(undeleted).toMatchObject({
        status: 200,
        text: '{"data":null,"error":0,"error_text":"Successful operation"}',
      });
      expect(undeleted.headers.get("x-reinstate-batch")).toMatch(/^\d+$/);
      expect((await call(path("get"), { headers: json, body })).json).toMatchObject({
        data: { channel, ...address },
      });
      expect((await call(path("delete"), { headers: json, body })).status).toBe(200);
      const { db_id, resource_id, profile_id } = subscription;
      const document = `<xml><token>${token}</token><db_id>${db_id}</db_id><resource_id>${resource_id}</resource_id><channel>${channel}</channel><profile_id>${profile_id}</profile_id>${xml}</xml>`;
      const inXml = await call(path("undelete"), {
        headers: { "content-type": "application/xml" },
        body: document,
      });
      expect(inXml).toMatchObject({
        status: 200,
        text: "<xml><data/><error>0</error><error_text>Successful operation</error_text></xml>",
      });
      expect((await call(path("get"), { headers: json, body })).json).toMatchObject({
        data: { channel, ...address },
      });
    },
  );

  const vicidial = { authorization: "Key=demo-vicidial-key", "content-type": "application/json" };
  const dearchive = (lead_ids: unknown, change: object = {}) => ({
    insert_leads: true,
    delete_leads: true,
    lead_ids,
    ...change,
  });

  test("VICIdial dearchives 1 and 500 leads, and archives them again", async () => {
    const leads = "/vicidial/leads";
    const message = "lead_ids batch was successfully processed";
    for (const ids of [[1], range(2, 501)]) {
      const { status, text } = await call(`${leads}/dearchive`, { headers: vicidial, body: dearchive(ids) });
      expect(status, text).toBe(200);
      const counts = { select_count: ids.length, insert_count: ids.length, delete_count: ids.length };
      expect(text).toBe(JSON.stringify({ message, ...counts }));
      const again = await call(`${leads}/dearchive`, { headers: vicidial, body: dearchive(ids) });
      expect(again).toMatchObject({ status: 400, json: { message: "lead_ids does not exist", lead_ids: ids } });
      const body = dearchive(ids, { update_leads: true });
      expect((await call(`${leads}/archive`, { headers: vicidial, body })).json).toEqual({
        ...{ message, select_count: ids.length, insert_count: ids.length, update_count: 0, delete_count: ids.length },
      });
    }
  });

  const refusal = (message: string, lead_ids: unknown[] = [], change: object = {}) => ({
    message,
    lead_errors: lead_ids.length,
    lead_ids,
    ...change,
  });
  const errors: [string, unknown, number, object][] = [
    ["no insert_leads", { delete_leads: true, lead_ids: [1] }, 400, refusal("insert_leads must be a boolean value")],
    ["no delete_leads", { insert_leads: true, lead_ids: [1] }, 400, refusal("delete_leads must be a boolean value")],
    ["a quoted id", dearchive([1, "0"]), 400, refusal("lead_ids must only contain integer values", ["0"])],
    ["no ids", dearchive([]), 400, refusal("lead_ids must contain atleast 1 value")],
    ["501 ids", dearchive(range(1, 501)), 400, refusal("lead_ids cannot exceed 500 values")],
    ["an id twice", dearchive([1, 1]), 400, refusal("lead_ids cannot contain duplicate values", [1])],
    ["an unknown id", dearchive([1, 5000]), 400, refusal("lead_ids does not exist", [5000], { lead_count: 1 })],
    [
      "malformed JSON",
      `{\n"insert_leads": true,\n"update_leads": true,\n"delete_leads": true,\n"lead_ids": [\n${range(1, 98).join(",\n")},\n    1s\n]}`,
      500,
      refusal("Unexpected character encountered while parsing number: s. Path 'lead_ids[97]', line 104, position 5."),
    ],
  ];

  test.each(errors)("VICIdial refuses %s and changes nothing", async (_, body, status, reply) => {
    expect(await call("/vicidial/leads/dearchive", { headers: vicidial, body })).toMatchObject({
      status,
      json: reply,
    });
    for (const verb of ["dearchive", "archive"]) {
      const all = dearchive(range(1, 500), verb === "archive" ? { update_leads: true } : {});
      expect((await call(`/vicidial/leads/${verb}`, { headers: vicidial, body: all })).json).toMatchObject({
        select_count: 500,
        insert_count: 500,
      });
    }
  });

  test("VICIdial refuses a wrong key", async () => {
    const headers = { ...vicidial, authorization: "Key=wrong" };
    expect(await call("/vicidial/leads/dearchive", { headers, body: dearchive([1]) })).toMatchObject({
      status: 401,
      text: '{"message":"unable to validate api user"}',
    });
  });
});
