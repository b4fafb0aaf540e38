import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import documents from "../fixtures/documents.json" with { type: "json" };
import { start } from "../fixtures/server.ts";

/** Returns what a sample shows of a reply: the names of the fields in their order, and the type of each value. */
function describeShape(value: unknown): unknown {
  if (Array.isArray(value)) return typeof value[0] === "object" ? ["list", describeShape(value[0])] : "list";
  if (typeof value !== "object" || value === null) return typeof value;
  const isId = (name: string) => /^\d+$/.test(name);
  return Object.entries(value)
    .slice(0, Object.keys(value).every(isId) ? 1 : undefined)
    .map(([name, field]) => [isId(name) ? "id" : name, describeShape(field)]);
}

describe.each(ledgerDatabases)("the samples of the documents on $name", ({ open }) => {
  test("have the fields of our replies", async () => {
    await using database = await open();
    await using server = await start(database.url);
    let batch = 0;
    for (const { name, request, reply } of documents.samples) {
      const answer = await server.call(request.method, request.path.replace("{batch}", String(batch)), request.body);
      const shown = { name, status: answer.status, shape: describeShape(answer.body) };
      expect(shown).toEqual({ name, status: reply.status, shape: describeShape(reply.body) });
      if (name === "restore") batch = answer.body.id;
    }
  });
});
