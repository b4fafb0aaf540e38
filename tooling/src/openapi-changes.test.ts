import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkReleasedDocuments, findBreakingChanges } from "./openapi-changes.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface Changeable {
  paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
  components: { schemas: Record<string, { required: string[]; properties: Record<string, { enum?: string[] }> }> };
}

const read = (name: string) =>
  JSON.parse(readFileSync(join(root, "packages", name, "openapi.json"), "utf8")) as Changeable;

/** A change of a package's document that breaks its callers. */
const planted: { name: string; vendor: string; fault: string; change(document: Changeable): void }[] = [
  {
    name: "a path",
    vendor: "vicidial",
    fault: "POST /vicidial/leads/archive is gone",
    change: ({ paths }) => void delete paths["/vicidial/leads/archive"],
  },
  {
    name: "a method",
    vendor: "vicidial",
    fault: "GET /vicidial/non_agent_api.php is gone",
    change: ({ paths }) => void delete paths["/vicidial/non_agent_api.php"]?.get,
  },
  {
    name: "an optional field",
    vendor: "vicidial",
    fault: "POST /vicidial/leads/dearchive: the request needs the field reason now",
    change({ components }) {
      const schema = components.schemas.DearchiveRequest;
      schema?.required.push("reason");
      if (schema) schema.properties.reason = {};
    },
  },
  {
    name: "a value",
    vendor: "firstpromoter",
    fault: 'POST /promoters/restore: the reply 200.status has no value "stopped" any more',
    change({ components }) {
      const status = components.schemas.BatchProcess?.properties.status;
      if (status) status.enum = status.enum?.filter((value) => value !== "stopped") ?? [];
    },
  },
  {
    name: "a status",
    vendor: "firstpromoter",
    fault: "GET /promoters/{id}: the status 404 is gone",
    change: ({ paths }) => void delete paths["/promoters/{id}"]?.get?.responses["404"],
  },
];

describe("an OpenAPI document", () => {
  test.each(planted)("breaks its callers without $name", ({ vendor, fault, change }) => {
    const [before, after] = [read(vendor), read(vendor)];
    change(after);
    expect(findBreakingChanges(before, after)).toContain(fault);
  });

  test.each(["altcraft", "firstpromoter", "vicidial"])("may stay as it is (%s)", (vendor) => {
    expect(findBreakingChanges(read(vendor), read(vendor))).toEqual([]);
  });

  test.each(["altcraft", "firstpromoter", "vicidial"])("may gain paths and fields (%s)", (vendor) => {
    const after = read(vendor);
    after.paths["/new"] = { get: { responses: {} } };
    for (const { properties } of Object.values(after.components.schemas)) if (properties) properties.added = {};
    expect(findBreakingChanges(read(vendor), after)).toEqual([]);
  });
});

describe("a release", () => {
  let copy = "";
  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), "reinstate-released-"));
    for (const folder of [".changeset", "tooling/released", "packages/vicidial"])
      mkdirSync(join(copy, folder), { recursive: true });
    const released = read("vicidial");
    writeFileSync(join(copy, "tooling/released/vicidial.json"), JSON.stringify(released));
    delete released.paths["/vicidial/leads/archive"];
    writeFileSync(join(copy, "packages/vicidial/openapi.json"), JSON.stringify(released));
  });
  afterEach(() => rmSync(copy, { recursive: true, force: true }));

  const write = (bump: string) =>
    writeFileSync(join(copy, ".changeset/a.md"), `---\n"@reinstate/vicidial": ${bump}\n---\n\nA change.\n`);

  test("refuses a breaking change with a minor version", () => {
    write("minor");
    expect(checkReleasedDocuments(copy)).toEqual([
      "vicidial: POST /vicidial/leads/archive is gone; keep it, or add a changeset with a major version",
    ]);
  });

  test("accepts a breaking change with a major version", () => {
    write("major");
    expect(checkReleasedDocuments(copy)).toEqual([]);
  });

  test("is kept by the documents of this repository", () => {
    expect(checkReleasedDocuments(root)).toEqual([]);
  });
});
