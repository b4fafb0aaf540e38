import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { validate } from "@readme/openapi-parser";
import { findOpenApiFaults, listOpenApiCalls } from "@reinstate/batch-core/testing";
import { describe, expect, test } from "vitest";
import { readSettings } from "../config.ts";
import { vendors } from "../testing/demo-gateway.ts";
import { listExamples } from "../testing/openapi-examples.ts";
import { servedRoutes } from "../testing/served-routes.ts";
import { describeGateway } from "./gateway-openapi.ts";

const packages = fileURLToPath(new URL("../../../../packages", import.meta.url));
const require = createRequire(import.meta.url);

function readDocument(env: Record<string, string> = {}): object {
  const settings = readSettings({ env, vendors });
  return JSON.parse(JSON.stringify(describeGateway({ vendors, settings }))) as object;
}

/** Each vendor's file, and the document of the gateway with all that can be served. */
const documents: { name: string; document: object }[] = [
  { name: "the gateway", document: readDocument({ REINSTATE_ALTCRAFT_EXTENSIONS: "on" }) },
  ...readdirSync(packages)
    .filter((name) => readdirSync(join(packages, name)).includes("openapi.json"))
    .map((name) => ({ name, document: require(join(packages, name, "openapi.json")) as object })),
];

/** Returns the paths of the document for one of a router: `a?` in a pattern, and `?` after a parameter, each make two. */
function expandPath(path: string): string[] {
  const optional = /^(.*)\/:\w+\?$/.exec(path);
  if (optional) return [...expandPath(optional[1] as string), ...expandPath(path.slice(0, -1))];
  const choice = /^(.*\/):\w+\{(\w*)(?:\(\?:(\w+)\)|(\w))\?(\w*)\}(.*)$/.exec(path);
  if (choice) {
    const [, start = "", before = "", group = "", letter = "", after = "", rest = ""] = choice;
    return [`${before}${group}${letter}${after}`, `${before}${after}`].flatMap((word) =>
      expandPath(`${start}${word}${rest}`),
    );
  }
  return [path.replace(/:(\w+)/g, "{$1}")];
}

describe("openapi.json of the gateway", () => {
  test.each(["off", "on"])("documents exactly the served routes (extensions %s)", async (extensions) => {
    const env = { REINSTATE_ALTCRAFT_EXTENSIONS: extensions };
    const served = (await servedRoutes(env)).flatMap(({ method, path }) => {
      // VICIdial's own call answers GET and POST in one route.
      const methods = method === "ALL" ? ["GET", "POST"] : [method];
      return methods.flatMap((name) => expandPath(path).map((expanded) => `${name} ${expanded}`));
    });
    expect(listOpenApiCalls(readDocument(env))).toEqual([...new Set(served)].sort());
  });

  test("has no secret and no customer data", () => {
    const env = {
      REINSTATE_ALTCRAFT_UPSTREAM_URL: "https://altcraft.example",
      REINSTATE_ALTCRAFT_UPSTREAM_TOKEN: "canary-token",
    };
    expect(JSON.stringify(readDocument(env))).not.toMatch(/canary-token|altcraft\.example/);
  });
});

describe.each(documents)("the OpenAPI document of $name", ({ document }) => {
  test("is valid without warnings", async () => {
    const result = await validate(structuredClone(document) as never);
    expect(result).toMatchObject({ valid: true, warnings: [] });
  });

  test("has no broken reference, repeated id or long summary", () => {
    expect(findOpenApiFaults(document)).toEqual([]);
  });

  test("has only examples that fit their schemas", () => {
    const examples = listExamples(document);
    expect(examples.length).toBeGreaterThan(15);
    expect(examples.filter(({ fault }) => fault !== undefined)).toEqual([]);
  });
});
