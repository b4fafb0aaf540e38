import { readFileSync } from "node:fs";
import { checkOpenApiAnswer, createTestHost, findOpenApiFaults, listOpenApiCalls } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import { createVicidial } from "../create.ts";
import { archiveCalls, dearchiveCalls } from "../fixtures/documented.ts";
import { openApi } from "./openapi.ts";

const document = JSON.parse(JSON.stringify(openApi())) as ReturnType<typeof openApi>;

// After a change: `pnpm --filter @reinstate/vicidial openapi` writes the file anew.
test("the file in the package is what the code says", () => {
  expect(JSON.parse(readFileSync(new URL("../../openapi.json", import.meta.url), "utf8"))).toEqual(document);
});

test("the document has no fault", () => {
  expect(findOpenApiFaults(document)).toEqual([]);
});

test("what the document names is served, with these methods alone", async () => {
  await using host = await createTestHost();
  const { routes } = await createVicidial(host);
  const calls = listOpenApiCalls(document);
  expect(calls).toHaveLength(10);
  for (const path of new Set(calls.map((call) => call.split(" ")[1] as string))) {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      const url = `http://localhost${path.replace("{customer}", "acme")}`;
      const { status } = await routes.fetch(new Request(url, { method }));
      expect([method, path, status === 405]).toEqual([method, path, !calls.includes(`${method} ${path}`)]);
    }
  }
});

test.each([...dearchiveCalls, ...archiveCalls])("$verb: $name, by the document", ({ verb, status, reply }) => {
  const call = { method: "POST", path: `/vicidial/leads/${verb}`, status, body: JSON.parse(reply) };
  expect(checkOpenApiAnswer(document, call)).toBeUndefined();
});

test("the examples fit their schemas", () => {
  const paths = document.paths as Record<string, Record<string, { responses: Record<string, unknown> }>>;
  const { responses } = document.components as { responses: Record<string, unknown> };
  let checked = 0;
  for (const call of listOpenApiCalls(document)) {
    const [method, path] = call.split(" ") as [string, string];
    for (const [status, given] of Object.entries(paths[path]?.[method.toLowerCase()]?.responses ?? {})) {
      const { $ref } = given as { $ref?: string };
      const answer = ($ref ? responses[$ref.split("/").at(-1) as string] : given) as {
        content: Record<string, { examples?: Record<string, { value: unknown }> }>;
      };
      for (const { value } of Object.values(Object.values(answer.content)[0]?.examples ?? {})) {
        expect(checkOpenApiAnswer(document, { method, path, status: Number(status), body: value })).toBeUndefined();
        checked++;
      }
    }
  }
  expect(checked).toBeGreaterThan(20);
});

test.each([
  ["insert_leads", { delete_leads: true, lead_ids: [0] }],
  ["delete_leads", { insert_leads: true, lead_ids: [0] }],
  ["integers", { insert_leads: true, delete_leads: true, lead_ids: [0, "abc"] }],
  ["empty", { insert_leads: true, delete_leads: true, lead_ids: [] }],
  ["empty", { insert_leads: true, delete_leads: true }],
  ["exceed", { insert_leads: true, delete_leads: true, lead_ids: Array.from({ length: 501 }, (_, id) => id) }],
  ["duplicates", { insert_leads: true, delete_leads: true, lead_ids: [101, 101] }],
  ["missing", { insert_leads: true, delete_leads: true, lead_ids: [101] }],
])("the example of %s is what the server answers", async (_, body) => {
  await using host = await createTestHost();
  const { routes } = await createVicidial(host);
  const { secret } = await host.keys.create({ vendor: "vicidial" });
  for (const path of ["/vicidial/leads/dearchive", "/vicidial/lead/dearchive"]) {
    const request = new Request(`http://localhost${path}`, {
      method: "POST",
      headers: { authorization: `Key=${secret}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const reply = await routes.fetch(request);
    expect(readExamples(path, String(reply.status))).toContainEqual(await reply.json());
  }
});

interface Answer {
  content?: Record<string, { examples?: Record<string, { value: unknown }> }>;
}

/** Returns the example bodies of the answers with a status. */
function readExamples(path: string, status: string): unknown[] {
  const { responses } = document.components as { responses: Record<string, Answer> };
  const paths = document.paths as Record<string, { post: { responses: Record<string, Answer & { $ref?: string }> } }>;
  const given = paths[path]?.post.responses[status];
  const answer = responses[given?.$ref?.split("/").at(-1) ?? ""] ?? given;
  const examples = Object.values(answer?.content ?? {})[0]?.examples ?? {};
  return Object.values(examples).map(({ value }) => value);
}
