import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { extensionMethods, vendorMethods } from "./method-table.ts";
import { openApi } from "./openapi.ts";

// What JSON keeps of it.
const description = JSON.parse(JSON.stringify(openApi()));

test("the published file is what the table of methods says; the script `openapi` writes it anew", () => {
  expect(JSON.parse(readFileSync(new URL("../openapi.json", import.meta.url), "utf8"))).toEqual(description);
});

test("every method is described, with both media types, and every reference leads somewhere", () => {
  const names = new Set([...Object.keys(vendorMethods), ...Object.keys(extensionMethods)]);
  expect(Object.keys(description.paths)).toEqual([...names].map((name) => `/api/v1.1/${name}`));
  for (const path of Object.keys(description.paths)) {
    const { requestBody, responses } = description.paths[path].post;
    for (const { content } of [requestBody, responses["200"], responses.default]) {
      expect(Object.keys(content), path).toEqual(["application/json", "application/xml"]);
    }
  }
  for (const [, id] of JSON.stringify(description).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    expect(description.components.schemas[id as string], id).toBeTypeOf("object");
  }
});

test("a channel has its own address, as the requests do", () => {
  const known = description.components.schemas.SubscriptionIdentity.anyOf[0].oneOf;
  const sms = known.find(
    (one: { properties: { channel: { const: string } } }) => one.properties.channel.const === "sms",
  );
  expect(sms.required).toEqual(["db_id", "resource_id", "profile_id", "channel", "phone"]);
});
