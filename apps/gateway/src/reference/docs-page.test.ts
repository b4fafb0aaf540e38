import { sqliteDatabase } from "@reinstate/tooling/databases";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findViolations } from "../testing/axe.ts";
import { openBrowser, openPage, type WatchedPage } from "../testing/browser.ts";
import { type GatewayProcess, startGateway } from "../testing/gateway-process.ts";

/** A call of each API, its header of authorization, and a part of the reply. */
const tries = [
  {
    api: "FirstPromoter",
    path: "/api/v2/company/promoters/restore",
    scheme: "firstpromoter.apiKey",
    key: "demo-firstpromoter-key",
    reply: '"promoter/restore"',
  },
  {
    api: "Altcraft",
    path: "/api/v1.1/subscriptions/undelete",
    scheme: "altcraft.bearer",
    key: "demo-altcraft-token",
    reply: '"Successful operation"',
  },
  {
    api: "VICIdial",
    path: "/vicidial/leads/dearchive",
    scheme: "vicidial.apiKey",
    key: "Key=demo-vicidial-key",
    reply: '"select_count": 2',
  },
  {
    api: "/v1",
    path: "/v1/operations",
    scheme: "v1.adminKey",
    key: "demo-admin-key",
    reply: '"vicidial.leads.dearchive"',
  },
];

/** The long form opens every operation, the short one every eighth, because the viewer takes up to a second for each. */
const every = process.env.LARGE === undefined ? 8 : 1;

describe("the reference in a browser", () => {
  let browser: Browser;
  let gateway: GatewayProcess;
  /** The viewer, which takes seconds to start. The tests share it, and each leaves it usable for the others. */
  let viewer: WatchedPage;
  const database = sqliteDatabase();
  beforeAll(async () => {
    browser = await openBrowser();
    gateway = await startGateway({ REINSTATE_DEMO: "true", REINSTATE_DATABASE_URL: database.url, LOG_LEVEL: "warn" });
    viewer = await openPage(browser, gateway.baseUrl);
    await viewer.page.goto("/docs");
    await viewer.page.locator(".opblock").first().waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });

  const findOperation = (page: Page, path: string): Locator =>
    page
      .locator(".opblock")
      .filter({ has: page.locator(`[data-path="${path}"]`) })
      .first();

  test("opens operations without a breach of its policy", async () => {
    const { page, faults } = viewer;
    const document = (await (await fetch(`${gateway.baseUrl}/openapi.json`)).json()) as {
      paths: Record<string, object>;
    };
    const count = Object.values(document.paths).flatMap((path) => Object.keys(path)).length;
    expect(await page.locator(".opblock").count()).toBe(count);
    // In the page, because a click from outside takes a second for each. Closed again, because many open ones make it slow.
    const openEach = `(async () => {
      const frame = () => new Promise(requestAnimationFrame);
      let opened = 0;
      for (const [index, operation] of [...document.querySelectorAll(".opblock")].entries()) {
        if (index % ${every} !== 0) continue;
        const summary = operation.querySelector(".opblock-summary-control");
        summary.click();
        while (!operation.querySelector(".opblock-body")) await frame();
        opened++;
        summary.click();
        while (operation.querySelector(".opblock-body")) await frame();
      }
      return opened;
    })()`;
    expect(await page.evaluate(openEach)).toBe(Math.ceil(count / every));
    expect(faults).toEqual([]);
  });

  test.each(tries)("tries a call of $api with a key typed in", async ({ path, scheme, key, reply }) => {
    const { page, faults } = viewer;
    await page.locator(".btn.authorize").first().click();
    const form = page.locator(".auth-container").filter({ hasText: scheme });
    await form.locator("input").first().fill(key);
    await form.locator("button.authorize").click();
    await page.locator(".btn-done").first().click();
    const operation = findOperation(page, path);
    await operation.locator(".opblock-summary-control").click();
    await operation.locator(".try-out__btn").click();
    for (const field of await operation.locator('tr[data-param-name="Account-ID"] input').all())
      await field.fill("acc_demo");
    await operation.locator(".execute").click();
    const body = operation.locator(".live-responses-table .response-col_description .microlight").first();
    await body.waitFor();
    expect(await body.textContent()).toContain(reply);
    expect(faults).toEqual([]);
  });

  test("passes axe outside of Swagger UI in light and dark", async () => {
    await using opened = await openPage(browser, gateway.baseUrl, { bypassCSP: true });
    const { page } = opened;
    // Axe would walk through all of Swagger UI, which takes long. It holds the main landmark of `/docs`.
    await page.route("**/swagger-ui-bundle.js", (route) => route.abort());
    for (const path of ["/docs", "/docs/problems"]) {
      await page.goto(path);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        const violations = await findViolations(page, { without: path === "/docs" ? ["landmark-one-main"] : [] });
        expect([path, colorScheme, violations]).toEqual([path, colorScheme, []]);
      }
    }
  });

  test("lists all calls without JavaScript", async () => {
    await using opened = await openPage(browser, gateway.baseUrl, { javaScriptEnabled: false });
    await opened.page.goto("/docs");
    expect(await opened.page.locator(".calls li").count()).toBeGreaterThan(50);
    expect(await opened.page.locator(".calls code", { hasText: /^POST \/v1\/batches$/ }).isVisible()).toBe(true);
  });
});
