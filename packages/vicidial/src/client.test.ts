import { startVendor } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import { createVicidialClient, VendorError } from "./client.ts";
import { vicidial } from "./vendor.ts";

async function start() {
  const server = await startVendor(vicidial);
  const client = (apiKey: string) => createVicidialClient({ baseUrl: "https://server/", apiKey, fetch: server.fetch });
  return { ...server, client };
}

test("the demo's leads go out of the archive and back", async () => {
  await using server = await start();
  const { host, instance } = server;
  const { leads } = server.client("demo-vicidial-key");
  const lead_ids = Array.from({ length: 500 }, (_, index) => 501 + index);
  expect(await leads.dearchive({ insert_leads: true, delete_leads: true, lead_ids })).toEqual({
    message: "lead_ids batch was successfully processed",
    select_count: 500,
    insert_count: 500,
    delete_count: 500,
  });
  // Loading again adds nothing to tables that are not empty.
  await vicidial.demo.load(host, instance);
  expect(
    await leads.archive({ insert_leads: true, update_leads: true, delete_leads: true, lead_ids: [1000] }),
  ).toMatchObject({ update_count: 0, delete_count: 1 });
});

test("throws refusals with the vendor's message and without the key", async () => {
  await using server = await start();
  const error = await server
    .client("demo-vicidial-key")
    .leads.dearchive({ insert_leads: true, delete_leads: true, lead_ids: [1, 2000] })
    .catch((error: unknown) => error);
  if (!VendorError.is(error)) throw error;
  expect(error).toMatchObject({ kind: "rejected", status: 400, message: "lead_ids does not exist" });
  expect(error.body).toMatchObject({ lead_ids: [2000] });
  const denied = await server
    .client("secret-of-mine")
    .leads.dearchive({ insert_leads: true, delete_leads: true, lead_ids: [1] })
    .catch((error: unknown) => error);
  expect(denied).toMatchObject({ kind: "rejected", status: 401 });
  expect(JSON.stringify([denied, String(denied)])).not.toContain("secret-of-mine");
});

test("replays a call with the same idempotency key", async () => {
  await using server = await start();
  const { leads } = server.client("demo-vicidial-key");
  const request = { insert_leads: true, delete_leads: true, lead_ids: [7, 8] };
  const first = await leads.dearchive(request, { idempotencyKey: "mine" });
  expect(first).toMatchObject({ delete_count: 2 });
  expect(await leads.dearchive(request, { idempotencyKey: "mine" })).toEqual(first);
  await expect(leads.dearchive(request, { idempotencyKey: "another" })).rejects.toThrow("does not exist");
});

test("distinguishes network errors from answers of other servers", async () => {
  const answering = (status: number, body: string, headers = {}) =>
    createVicidialClient({
      baseUrl: "https://server",
      apiKey: "k",
      fetch: async () => new Response(body, { status, headers }),
    })
      .leads.dearchive({ insert_leads: true, delete_leads: true, lead_ids: [1] })
      .catch((error: unknown) => error);
  expect(await answering(500, '{"message":"Lock wait timeout","lead_errors":0,"lead_ids":[]}')).toMatchObject({
    kind: "unknown_outcome",
    message: "Lock wait timeout",
  });
  expect(await answering(448, '{"message":"lead_ids does not exist","http_code":448}')).toMatchObject({
    kind: "rejected",
    code: 448,
  });
  // A proxy that answers so does not know what became of the call.
  expect(await answering(503, "<html>")).toMatchObject({ kind: "unknown_outcome", retryable: false });
  expect(await answering(503, "<html>", { "retry-after": "5" })).toMatchObject({
    kind: "unavailable",
    retryAfterMs: 5000,
  });
  expect(await answering(200, "<html>")).toMatchObject({ kind: "bad_reply" });
});
