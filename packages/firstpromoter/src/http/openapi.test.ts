import { readFileSync } from "node:fs";
import { createTestHost, findOpenApiFaults, listOpenApiCalls } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import * as z from "zod";
import { scenarios } from "../fixtures/exchanges.ts";
import { start } from "../fixtures/server.ts";
import { createFirstPromoter, openApi } from "../index.ts";
import { basePath } from "./api.ts";

const document = openApi();

// After a change to the routes, `pnpm --filter @reinstate/firstpromoter openapi` regenerates the file.
test("matches the file in the package", () => {
  const file = readFileSync(new URL("../../openapi.json", import.meta.url), "utf8");
  expect(JSON.parse(file)).toEqual(document);
});

test("documents exactly the served routes", async () => {
  await using host = await createTestHost();
  const { routes } = await createFirstPromoter(host);
  const served = routes.routes.filter(({ method }) => method !== "ALL");
  const calls = served.map(({ method, path }) => `${method} ${path.replace(basePath, "").replace(/:(\w+)/g, "{$1}")}`);
  expect(listOpenApiCalls(document)).toEqual(calls.sort());
});

test("is a valid OpenAPI document", () => {
  expect(findOpenApiFaults(document)).toEqual([]);
});

/** Compiles a schema into a check. */
function compileCheck(schema: object) {
  const { components } = document as { components: { schemas: object } };
  const text = JSON.stringify({ ...schema, $defs: components.schemas }).replaceAll("#/components/schemas/", "#/$defs/");
  return z.fromJSONSchema(JSON.parse(text));
}

interface Operation {
  responses: Record<string, { $ref?: string; content?: { "application/json": { schema: object } } }>;
}

/** Finds the operation of a path. */
function operationAt(method: string, path: string): Operation | undefined {
  const found = Object.entries(document.paths as Record<string, Record<string, Operation>>).find(
    ([template, operations]) =>
      method.toLowerCase() in operations && new RegExp(`^${template.replace(/\{\w+\}/g, "[^/]+")}$`).test(path),
  );
  return found?.[1][method.toLowerCase()];
}

test("documents every response of the fixtures", async () => {
  const { responses } = (document as { components: { responses: Operation["responses"] } }).components;
  const seen = new Set<string>();
  for (const { options, host, exchanges } of scenarios.slice(0, 4)) {
    await using server = await start("sqlite::memory:", { rateLimit: 0, ...options }, host);
    let last = "";
    for (const { name, request } of exchanges) {
      const path = request.path.replace("{batch}", last);
      const answer = await server.call(request.method, path, request.body, request.headers);
      if (answer.body !== null && "action_label" in answer.body) last = String(answer.body.id);
      const operation = operationAt(request.method, path.split("?")[0]!);
      if (!operation) {
        expect({ name, status: answer.status }).toEqual({ name, status: 404 });
        continue;
      }
      const response = operation.responses[answer.status];
      expect({ name, status: answer.status, told: response !== undefined }).toMatchObject({ name, told: true });
      const { content } = response?.$ref ? responses[response.$ref.split("/").at(-1)!]! : response!;
      if (!content) expect({ name, text: answer.text }).toEqual({ name, text: "" });
      else {
        const { error } = compileCheck(content["application/json"].schema).safeParse(answer.body);
        expect({ name, error }).toEqual({ name, error: undefined });
      }
      seen.add(`${answer.status}`);
    }
  }
  expect([...seen].sort()).toEqual(["200", "201", "202", "400", "401", "403", "404", "422", "429"]);
});

test("rejects missing fields and wrong types", async () => {
  await using server = await start("sqlite::memory:");
  const batch = await server.act("restore", { ids: [1] });
  const promoter = (await server.call("GET", "/promoters/1")).body;
  for (const [name, whole, spoilt] of [
    ["BatchProcess", batch, { meta: null, progress: 0.5, created_at: "today", processing_errors: [{}], id: "1" }],
    ["Promoter", promoter, { joined_at: null, profile: {}, promoter_campaigns: [{}], balances: null, stats: {} }],
  ] as const) {
    const check = compileCheck({ $ref: `#/components/schemas/${name}` });
    expect(check.safeParse(whole).error).toBeUndefined();
    for (const field of Object.keys(whole)) {
      const { [field]: _, ...rest } = whole;
      const optional = field === "selected_payout_method";
      expect({ field, passes: check.safeParse(rest).success }).toEqual({ field, passes: optional });
    }
    for (const [field, value] of Object.entries(spoilt)) {
      expect({ field, passes: check.safeParse({ ...whole, [field]: value }).success }).toEqual({
        field,
        passes: false,
      });
    }
  }
});
