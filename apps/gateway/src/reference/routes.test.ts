import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { problemTypes } from "@reinstate/batch-core/http";
import { describe, expect, test } from "vitest";
import { readSettings } from "../config.ts";
import { openDemoGateway, vendors } from "../testing/demo-gateway.ts";
import { createReference } from "./routes.ts";

const root = fileURLToPath(new URL("../../../..", import.meta.url));

const read = async (path: string, basePath = "") => {
  const settings = readSettings({ env: { REINSTATE_BASE_PATH: basePath }, vendors });
  const routes = createReference({ vendors, settings });
  const response = await routes.fetch(new Request(`http://localhost${path}`));
  return { status: response.status, headers: response.headers, text: await response.text() };
};

describe("the reference", () => {
  test("lists every call without a script", async () => {
    const { text } = await read("/docs");
    const document = JSON.parse((await read("/openapi.json")).text) as { paths: Record<string, object> };
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of Object.keys(methods))
        expect(text).toContain(`<b>${method.toUpperCase()}</b> ${path}</code>`);
    }
  });

  test("serves pages under a strict content security policy", async () => {
    for (const path of ["/docs", "/docs/problems", "/docs/docs.css", "/openapi.json", "/llms.txt"]) {
      const { status, headers, text } = await read(path);
      expect([path, status]).toEqual([path, 200]);
      expect(headers.get("content-security-policy")).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      );
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      if (headers.get("content-type")?.startsWith("text/html")) expect(text).not.toMatch(/ style=|<script>|https?:/);
    }
  });

  test("prefixes every link with the base path", async () => {
    const { text } = await read("/docs", "/ops");
    const links = [...text.matchAll(/(?:href|src|data-url)="(?!data:)([^"]*)"/g)].map(([, link]) => link as string);
    expect(links.length).toBeGreaterThan(6);
    expect(links.filter((link) => !link.startsWith("/ops/"))).toEqual([]);
    expect(JSON.parse((await read("/openapi.json", "/ops")).text).servers).toEqual([{ url: "/ops" }]);
  });

  test("serves the files of Swagger UI with their character set", async () => {
    expect((await read("/docs/swagger-ui-bundle.js")).headers.get("content-type")).toBe(
      "text/javascript; charset=utf-8",
    );
    expect((await read("/docs/swagger-ui.css")).text).toContain(".swagger-ui");
    expect((await read("/docs/package.json")).status).toBe(404);
    expect((await read("/docs/constructor")).status).toBe(404);
  });

  test("is public in the gateway and answers GET alone", async () => {
    await using gateway = await openDemoGateway("sqlite::memory:");
    const call = (path: string, method: string) =>
      gateway.fetch(new Request(`http://localhost${path}`, { method })).then(({ status }) => status);
    for (const path of ["/docs", "/docs/", "/openapi.json", "//docs/problems", "/llms.txt"]) {
      expect([path, await call(path, "GET"), await call(path, "HEAD"), await call(path, "POST")]).toEqual([
        path,
        200,
        200,
        405,
      ]);
    }
  });

  test("names every page and call in llms.txt", async () => {
    const { text } = await read("/llms.txt");
    for (const name of ["/openapi.json", "/docs", "/docs/problems", "/metrics", "POST /v1/batches"])
      expect(text).toContain(name);
  });
});

describe("the problem types", () => {
  const sources = ["packages/batch-core/src", "apps/gateway/src"].flatMap((folder) =>
    (readdirSync(join(root, folder), { recursive: true }) as string[])
      .filter((file) => file.endsWith(".ts") && !/\.test\.|testing\/|problem-types/.test(file))
      .map((file) => readFileSync(join(root, folder, file), "utf8")),
  );

  test("each have an anchor with cause and action", async () => {
    const { text } = await read("/docs/problems");
    for (const [type, { status }] of Object.entries(problemTypes)) {
      expect(text).toContain(`<h2 id="${type}">`);
      expect(text).toContain(`<code>urn:reinstate:problem:${type}</code> ${status}`);
    }
  });

  // The compiler forbids a type that is not documented.
  test("each occur in the code with their status", () => {
    const text = sources.join("\n");
    const unused = Object.entries(problemTypes).filter(([type, { status }]) => {
      const thrown = new RegExp(`problem\\(\\s*${status},\\s*"${type}"`);
      const coded = new RegExp(`\\b${type.replaceAll("-", "_")}: ${status},`);
      return !thrown.test(text) && !coded.test(text);
    });
    expect(unused).toEqual([]);
  });
});
