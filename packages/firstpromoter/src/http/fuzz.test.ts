import { ledgerDatabases } from "@reinstate/tooling/databases";
import { fuzz } from "@reinstate/tooling/fuzz";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";
import { openApi } from "./openapi.ts";

const id = fc.integer({ min: 1, max: 1100 });
const hints = {
  ids: fc.array(id, { minLength: 1, maxLength: 8 }),
  "ids[]": id,
  id: fc.oneof(fc.integer({ min: 1, max: 40 }), id),
  campaign_id: fc.integer({ min: 1, max: 3 }),
  from_campaign_id: fc.constant(1),
  to_campaign_id: fc.constant(2),
  parent_id: id,
  drip_emails: fc.boolean(),
  soft_move_referrals: fc.boolean(),
  initial_campaign_id: fc.integer({ min: 1, max: 2 }),
  "Idempotency-Key": fc.nat(500).map((number) => `key-${number}`),
  email: fc.nat(5000).map((number) => `fuzz.${number}@example.com`),
};

const error = { content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } };

describe.each(ledgerDatabases)("fuzzed requests to FirstPromoter's API on $name", ({ name, open }) => {
  test("get responses that match the OpenAPI document", async () => {
    await using database = await open();
    const errors: unknown[] = [];
    const log = { error: (fields: unknown) => void errors.push(fields), warn() {}, info() {}, debug() {} };
    await using server = await start(database.url, { rateLimit: 0 }, { log });
    const report = await fuzz({
      run: ledgerDatabases.findIndex((one) => one.name === name),
      document: openApi(),
      hints,
      headers: { Authorization: "Bearer demo-firstpromoter-key", "Account-ID": "acc_demo" },
      elsewhere: { 401: {}, 403: error, 404: error },
      fetch: (request) => server.instance.routes.fetch(request),
      fault: (_, { status }) => (errors[0] ? JSON.stringify(errors) : status >= 500 ? `status ${status}` : undefined),
    });
    expect(report.requests).toBeGreaterThan(0);
  });
});
