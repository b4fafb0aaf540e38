import { readFileSync } from "node:fs";
import { createTestHost } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import { api, basePath } from "./api.ts";
import { createFirstPromoter, openApi } from "./index.ts";

// After a change of the table of routes: `pnpm --filter @reinstate/firstpromoter openapi` writes the file anew.
test("the file in the package is what the table of routes says", () => {
  const file = readFileSync(new URL("../openapi.json", import.meta.url), "utf8");
  expect(JSON.parse(file)).toEqual(openApi());
});

test("what is served is in the document, and nothing else", async () => {
  await using host = await createTestHost();
  const { routes } = await createFirstPromoter(host);
  const served = routes.routes.filter(({ method }) => method !== "ALL");
  const told = Object.entries(openApi().paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(told.sort()).toEqual(
    served.map(({ method, path }) => `${method} ${path.replace(basePath, "").replace(/:(\w+)/g, "{$1}")}`).sort(),
  );
  expect(new Set(api.map(({ operationId }) => operationId)).size).toBe(api.length);
});

test("every reference leads somewhere", () => {
  const document = openApi();
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
  expect(references.length).toBeGreaterThan(100);
  for (const [, path] of references) {
    const found = path!.split("/").reduce<unknown>((at, step) => (at as Record<string, unknown>)?.[step], document);
    expect({ path, found: typeof found }).toEqual({ path, found: "object" });
  }
});
