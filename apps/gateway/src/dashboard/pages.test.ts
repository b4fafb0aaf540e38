import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, openPage, signInToPage } from "../testing/browser.ts";
import { createV1 } from "../testing/cluster.ts";
import { type GatewayProcess, startShelfGateway } from "../testing/gateway-process.ts";

/** Set to renew the pictures of the documentation. */
const images = process.env.IMAGES ? fileURLToPath(new URL("../../../../docs/images/", import.meta.url)) : undefined;
if (images) mkdirSync(images, { recursive: true });

const pages: { name: string; path: string; status?: number }[] = [
  { name: "batches", path: "/batches" },
  { name: "batches-none", path: "/batches?status=stopped&account=none" },
  { name: "batch", path: "/batches/1" },
  { name: "batch-preview", path: "/batches/2" },
  { name: "batch-prepared", path: "/batches/3" },
  { name: "batch-invalid", path: "/batches/99", status: 404 },
  { name: "items", path: "/batches/1/items?outcome=failed" },
  { name: "new-batch", path: "/batches/new" },
  { name: "new-batch-form", path: "/batches/new?operation=shelf.books.restore%40local" },
  { name: "find", path: "/find?operation=shelf.books.restore%40local&item=250" },
  { name: "find-nothing", path: "/find?operation=shelf.books.restore%40local&item=99999999" },
  { name: "systems", path: "/systems" },
  { name: "keys", path: "/keys" },
  { name: "not-found", path: "/nothing-here", status: 404 },
];

const widths = [360, 768, 1280];
const schemes = ["light", "dark"] as const;

let database: ReturnType<typeof sqliteDatabase>;
let gateway: GatewayProcess;
let browser: Browser;

beforeAll(async () => {
  database = sqliteDatabase();
  gateway = await startShelfGateway({ REINSTATE_DATABASE_URL: database.url, REINSTATE_SHELF_PAUSE_MS: "1" });
  browser = await openBrowser();
  const v1 = createV1(gateway.baseUrl, "demo-admin-key");
  const books = Array.from({ length: 6000 }, (_, index) => index + 1);
  const create = async (body: object) => {
    const headers = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };
    const response = await fetch(`${gateway.baseUrl}/v1/batches`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    const { id } = (await response.json()) as { id: number };
    return id;
  };
  const restore = { operation: "shelf.books.restore", params: { notify: true }, items: books };
  const first = await create({ ...restore, note: "Ticket 4711: the inventory of autumn" });
  await until(async () => (await v1.get(first)).status === "completed");
  const preview = await create({ ...restore, dry_run: true });
  await until(async () => (await v1.get(preview)).status === "completed");
  const headers = { authorization: "Bearer demo-admin-key" };
  await fetch(`${gateway.baseUrl}/v1/batches/${first}/undo`, { method: "POST", headers });
});

afterAll(async () => {
  await browser?.close();
  await gateway?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

describe("every page", () => {
  test.each(schemes)("passes axe and fits its width in %s", async (colorScheme) => {
    // Axe adds its own script, which the policy would reject.
    await using watched = await openPage(browser, gateway.baseUrl, { colorScheme, bypassCSP: true });
    const { page } = watched;
    await page.goto("/sign-in");
    const faults: object[] = [];
    async function check(name: string): Promise<void> {
      for (const width of widths) {
        await page.setViewportSize({ width, height: 900 });
        const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        if (Number(overflow) > 0) faults.push({ name, width, overflow });
        const { violations } = await new AxeBuilder({ page }).options({ resultTypes: ["violations"] }).analyze();
        for (const { id, nodes } of violations) {
          faults.push({
            name,
            width,
            id,
            nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => [html, failureSummary]),
          });
        }
        if (images && width === 1280 && !/none|nothing|invalid/.test(name)) {
          await page.screenshot({
            path: `${images}${name}-${colorScheme}.png`,
            fullPage: true,
          });
        }
      }
    }
    await check("sign-in");
    await signInToPage(page);
    for (const { name, path } of pages) {
      await page.goto(path);
      await check(name);
    }
    expect(faults).toEqual([]);
  });

  test("are reached by Tab, each with a visible focus", async () => {
    await using watched = await openPage(browser, gateway.baseUrl);
    const { page } = watched;
    await signInToPage(page);
    for (const path of ["/batches", "/batches/1", "/batches/new?operation=shelf.books.restore%40local", "/keys"]) {
      await page.goto(path);
      const reachable = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
      const count = await page.locator(reachable).count();
      const seen = new Set<string>();
      for (let step = 0; step < count; step++) {
        await page.keyboard.press("Tab");
        const focus = (await page.evaluate(`(() => {
          const element = document.activeElement;
          const { outlineStyle, outlineWidth } = getComputedStyle(element);
          const all = [...document.querySelectorAll(${JSON.stringify(reachable)})];
          return { place: all.indexOf(element), outline: outlineStyle + " " + outlineWidth };
        })()`)) as { place: number; outline: string };
        seen.add(`${focus.place} ${focus.outline}`);
      }
      expect([path, [...seen].sort()]).toEqual([
        path,
        Array.from({ length: count }, (_, place) => `${place} solid 3px`).sort(),
      ]);
    }
  });
});
