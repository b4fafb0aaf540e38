import { ledgerDatabases } from "@reinstate/tooling/databases";
import { fuzz, toJson } from "@reinstate/tooling/fuzz";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { demo, start } from "../fixtures/server.ts";
import { envelope } from "../schemas/replies.ts";
import { extensionMethods, type MethodRow, vendorMethods } from "./methods/method-table.ts";
import { openApi } from "./openapi.ts";
import { readXml, writeXml } from "./xml.ts";
import { readValue } from "./xml-values.ts";

const { place, john, officer } = demo;
const hints = {
  db_id: fc.constant(place.db_id),
  resource_id: fc.constantFrom(place.resource_id, 26, 26, 27),
  profile_id: fc.constantFrom(place.profile_id, "abcdefghijklmnqrstuvwxyz"),
  channel: fc.constantFrom("email", "sms", "push"),
  from_id: fc.constant(""),
  provider: fc.constant("Firefox"),
  subscription_id: fc.constant("abcdefghijklmnqrstuvwxyz"),
  email: fc.constantFrom(john.email, "jane@example.com"),
  phone: fc.constant("+79000000000"),
  token: fc.constant(officer),
  format: fc.constantFrom("json", "xml"),
  ...Object.fromEntries(
    ["suppress", "unsuppress", "list_consent"].map((name) => [`POST /api/v1.1/subscriptions/${name}`, ofOneAddress()]),
  ),
};

/** Calls that take a mail address or a phone number, not both. */
function ofOneAddress(): fc.Arbitrary<object> {
  return fc.constantFrom({ email: john.email, reason: "asked" }, { phone: "+79000000000", reason: "asked" });
}

const methods: Record<string, MethodRow> = { ...vendorMethods, ...extensionMethods };
const findReplySchema = (route: string | undefined, error: unknown) =>
  (error === "0" ? methods[route?.replace("POST /api/v1.1/", "") ?? ""]?.reply : undefined) ?? envelope;

/** Codes of the rejections that the README lists; every one is the HTTP status too. */
const codes = new Set([400, 401, 403, 404, 405, 409, 410, 413, 415]);

const inBoth = {
  "application/json": { schema: { $ref: "#/components/schemas/Envelope" } },
  "application/xml": { schema: { $ref: "#/components/schemas/Envelope" } },
};

describe.each(ledgerDatabases)("fuzzed requests to Altcraft's API on $name", ({ name, open }) => {
  test("are answered as the OpenAPI document says", async () => {
    await using database = await open();
    const errors: unknown[] = [];
    const log = { error: (fields: unknown) => void errors.push(fields), warn() {}, info() {}, debug() {} };
    await using server = await start({ extensions: "on" }, database.url, {}, { log });
    const report = await fuzz({
      run: ledgerDatabases.findIndex((one) => one.name === name),
      document: JSON.parse(JSON.stringify(openApi())),
      hints,
      headers: { Authorization: `Bearer ${officer}` },
      encoders: { "application/xml": asXml },
      decoders: {
        "application/xml": (text, route) => {
          const root = readXml(text);
          const error = root.children.find(({ name }) => name === "error")?.text;
          const reply = findReplySchema(route, error);
          // In XML an empty list is nothing at all.
          return reply.parse(readValue(root, reply, { reply: true }));
        },
      },
      elsewhere: { 404: { content: inBoth }, 405: { content: inBoth } },
      fetch: (request) => server.server.routes.fetch(request),
      fault(_, { status, text }) {
        if (errors[0]) return JSON.stringify(errors.splice(0));
        if (status !== 200 && !codes.has(status)) return `status ${status} is not documented`;
        return status === 200 || text === "" || text.includes(String(status)) ? undefined : "code and status differ";
      },
    });
    expect(report.requests).toBeGreaterThan(0);
  });
});

/** Returns the body as XML: in the form of a request if XML can express it, otherwise in the form of a reply. */
function asXml(body: unknown): string {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return `<xml>${toJson(body)}</xml>`;
  try {
    return writeXml(body as object as Record<string, unknown>, { request: true });
  } catch {
    return writeXml(body as object as Record<string, unknown>);
  }
}
