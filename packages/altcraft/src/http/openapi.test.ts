import { readFileSync } from "node:fs";
import { findOpenApiFaults } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import * as z from "zod";
import { documentedCalls } from "../fixtures/documents.ts";
import { demo, start } from "../fixtures/server.ts";
import { extensionMethods, vendorMethods } from "./methods/method-table.ts";
import { openApi } from "./openapi.ts";

// What JSON keeps of it.
const description = JSON.parse(JSON.stringify(openApi()));

test("the published file is what the table of methods says; the script `openapi` writes it anew", () => {
  expect(JSON.parse(readFileSync(new URL("../../openapi.json", import.meta.url), "utf8"))).toEqual(description);
});

test("every method is described, with both media types", () => {
  const names = new Set([...Object.keys(vendorMethods), ...Object.keys(extensionMethods)]);
  expect(Object.keys(description.paths)).toEqual([...names].map((name) => `/api/v1.1/${name}`));
  for (const path of Object.keys(description.paths)) {
    const { requestBody, responses } = description.paths[path].post;
    for (const { content } of [requestBody, responses["200"], responses.default]) {
      expect(Object.keys(content), path).toEqual(["application/json", "application/xml"]);
    }
  }
});

test("the document names a server and has no fault", () => {
  expect(description.servers).toEqual([{ url: "/", description: expect.any(String) }]);
  expect(findOpenApiFaults(description)).toEqual([]);
});

/** Every name that a request may have, out of its published schema. */
function namesIn(schema: { [word: string]: unknown }): string[] {
  const {
    $ref,
    properties = {},
    allOf = [],
    anyOf = [],
    oneOf = [],
  } = schema as {
    $ref?: string;
    properties?: object;
  } & Record<"allOf" | "anyOf" | "oneOf", { [word: string]: unknown }[] | undefined>;
  const referred = $ref ? namesIn(description.components.schemas[$ref.split("/").at(-1) as string]) : [];
  return [...referred, ...Object.keys(properties), ...[...allOf, ...anyOf, ...oneOf].flatMap(namesIn)];
}

const { john, place, officer } = demo;
const withReason = { ...john, reason: "asked" };
const requests: [method: string, body: object][] = [
  ...["undelete", "delete", "set", "get"].map((verb): [string, object] => [`subscriptions/${verb}`, john]),
  ["subscriptions/undelete", { db_id: 1, hash_id: "00000000" }],
  ["subscriptions/undelete", { db_id: 1, matching: "email", email: john.email }],
  ["subscriptions/undelete_batch", { data: [john] }],
  ["subscriptions/list", { db_id: 1, profile_id: place.profile_id }],
  ["subscriptions/list_all", { resource_id: 26 }],
  ["subscriptions/list_deleted", { db_id: 1 }],
  ["subscriptions/suspend_all", { db_id: 1 }],
  ["subscriptions/unsuspend_all", { db_id: 1 }],
  ["subscriptions/erase", withReason],
  ["subscriptions/list_consent", {}],
  ["profiles/get", { db_id: 1, email: john.email }],
];

test.each(requests)("accepts null in %s by schema as by server", async (method, body) => {
  await using server = await start({ extensions: "on" });
  const request =
    description.components.schemas[readSchemaId(description.paths[`/api/v1.1/${method}`].post.requestBody.content)];
  const schema = published(readSchemaId(description.paths[`/api/v1.1/${method}`].post.requestBody.content));
  for (const name of new Set(namesIn(request))) {
    if (name === "token") continue;
    const given = { ...body, [name]: null };
    const { status } = await server.ask(method, { token: officer, ...given });
    expect([name, schema.safeParse(given).success]).toEqual([name, status !== 400]);
  }
});

test("a channel has its own address, as the requests do", () => {
  const known = description.components.schemas.SubscriptionIdentity.anyOf[0].oneOf;
  const sms = known.find(
    (one: { properties: { channel: { const: string } } }) => one.properties.channel.const === "sms",
  );
  expect(sms.required).toEqual(["db_id", "resource_id", "profile_id", "channel", "phone"]);
});

/** A published schema as a validator. What it does not know is left out: names that a request may not have. */
function published(id: string): z.ZodType {
  const text = JSON.stringify(description.components.schemas).replaceAll("#/components/schemas/", "#/$defs/");
  const $defs = JSON.parse(text, (name, value) => (name === "unevaluatedProperties" ? undefined : value));
  return z.fromJSONSchema({ $ref: `#/$defs/${id}`, $defs });
}

const readSchemaId = (content: { [type: string]: { schema: { $ref: string } } }) =>
  content["application/json"]?.schema.$ref.split("/").at(-1) as string;

test.each(documentedCalls)(
  "the documented call of $method is one by the published schemas",
  ({ method, request, reply }) => {
    const { requestBody, responses } = description.paths[`/api/v1.1/${method.replace(/\/$/, "")}`].post;
    expect(published(readSchemaId(requestBody.content)).safeParse(JSON.parse(request.json))).toMatchObject({
      success: true,
    });
    expect(published(readSchemaId(responses["200"].content)).safeParse(JSON.parse(reply.json))).toMatchObject({
      success: true,
    });
    const refused = { data: null, error: 404, error_text: "Subscription not found" };
    expect(published(readSchemaId(responses.default.content)).safeParse(refused)).toMatchObject({ success: true });
  },
);

test("the published schemas refuse what the server refuses", () => {
  const identity = published("SubscriptionIdentity");
  const place = { db_id: 1, resource_id: 26, profile_id: "p" };
  const fits = (given: object) => identity.safeParse({ ...place, ...given }).success;
  expect(fits({ channel: "own_bot", cc_data: { user: 7 } })).toBe(true);
  expect(fits({ channel: "email", email: "a@b" })).toBe(true);
  // A documented channel has its own address.
  expect(fits({ channel: "email", cc_data: { user: 7 } })).toBe(false);
  expect(fits({ channel: "own_bot", cc_data: {} })).toBe(false);
  expect(fits({ channel: "own_bot", cc_data: { "a b": 1 } })).toBe(false);
  const undelete = published("SubscriptionsUndeleteRequest");
  for (const hash_id of ["fcf06ea1", "FCF06EA1"]) expect(undelete.safeParse({ db_id: 1, hash_id }).success).toBe(true);
  expect(undelete.safeParse({ db_id: 1, hash_id: "fcf06eag" }).success).toBe(false);
});

test("what makes batches, what goes beyond the vendor, and what wants a right of its own are marked", () => {
  // biome-ignore lint/suspicious/noExplicitAny: a description is read as the JSON that it is.
  const those = (has: (post: any) => unknown) =>
    Object.keys(description.paths)
      .filter((path) => has(description.paths[path].post))
      .map((path) => path.slice("/api/v1.1/".length));
  expect(those(({ responses }) => responses["200"].headers?.["X-Reinstate-Batch"])).toEqual([
    "subscriptions/undelete",
    "subscriptions/delete",
    "subscriptions/undelete_batch",
  ]);
  expect(those((post) => post["x-reinstate-extension"] === true)).toEqual(
    Object.keys(extensionMethods).filter((name) => !(name in vendorMethods)),
  );
  expect(description.paths["/api/v1.1/subscriptions/delete"].post["x-reinstate-extension"]).toContain("dry_run");
  expect(those(({ description: text }) => /option `methods`/.test(text))).toEqual([
    "subscriptions/erase",
    "subscriptions/suppress",
    "subscriptions/unsuppress",
  ]);
});
