import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { listRuntimeDependencies, readLicence, readLockfile } from "./dependency-closure.ts";
import { listPublished } from "./workspace.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const lockfile = readLockfile(root);

/** Licences that allow use in products of any kind, and ask only for a notice. */
const allowed = [
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
  "(MIT OR CC0-1.0)",
];

describe.each(listPublished(root))("%s", (path) => {
  const dependencies = listRuntimeDependencies(lockfile, path);

  test("depends at run time only on packages with allowed licences", () => {
    const others = dependencies
      .map((dependency) => `${dependency.name}@${dependency.version}: ${readLicence(root, dependency)}`)
      .filter((line) => !allowed.some((licence) => line.endsWith(`: ${licence}`)));
    expect(others).toEqual([]);
  });

  test("depends on nothing of development", () => {
    const names = dependencies.map(({ name }) => name);
    expect(names).toContain("zod");
    expect(names).not.toContain("vitest");
  });
});

test("an indirect dependency is listed with its version", () => {
  const dependencies = listRuntimeDependencies(lockfile, "packages/vicidial");
  // Needed by mysql2.
  expect(dependencies).toContainEqual({ name: "sql-escaper", version: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
});
