import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Vendor } from "@reinstate/batch-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findViolations } from "../testing/axe.ts";
import { openBrowser, openPage, signInToPage } from "../testing/browser.ts";
import { type ServedGateway, serveDemoGateway } from "../testing/served-gateway.ts";
import { shelf, unknownBook } from "../testing/shelf.ts";

/** Set to renew the pictures of the documentation, which show the real vendors alone. */
const images = process.env.IMAGES ? fileURLToPath(new URL("../../../../docs/images/", import.meta.url)) : undefined;
if (images) mkdirSync(images, { recursive: true });

const restore = "firstpromoter.promoters.restore";
const restorePath = `operation=${encodeURIComponent(`${restore}@local`)}`;

const pages: { name: string; path: string }[] = [
  { name: "batches", path: "/batches" },
  { name: "batches-none", path: "/batches?status=stopped&account=none" },
  { name: "batch", path: "/batches/2" },
  { name: "batch-preview", path: "/batches/1" },
  { name: "batch-prepared", path: "/batches/3" },
  { name: "batch-invalid", path: "/batches/99" },
  { name: "items", path: "/batches/2/items?outcome=failed" },
  { name: "items-none", path: "/batches/2/items?outcome=unknown" },
  { name: "new-batch", path: "/batches/new" },
  { name: "new-batch-form", path: `/batches/new?${restorePath}` },
  { name: "find", path: `/find?${restorePath}&item=1012` },
  { name: "find-none", path: `/find?${restorePath}&item=99999999` },
  { name: "systems", path: "/systems" },
  { name: "keys", path: "/keys" },
  { name: "not-found", path: "/nothing-here" },
];
/** The batch with an item whose outcome is unknown. */
if (!images) pages.push({ name: "batch-unknown", path: "/batches/6" });

const widths = [360, 768, 1280];
const schemes = ["light", "dark"] as const;

/** Ids from 1 to `last`. */
const ids = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

let gateway: ServedGateway;
let browser: Browser;

beforeAll(async () => {
  const further = images ? [] : [shelf as unknown as Vendor];
  const settings = { REINSTATE_SHELF_PAUSE_MS: "0" };
  [gateway, browser] = await Promise.all([
    serveDemoGateway("sqlite::memory:", images ? {} : settings, further),
    openBrowser(),
  ]);
  const { batches, keys } = gateway.gateway.host;
  const actor = (await keys.find("admin", "demo-admin-key"))?.id;
  const promoters = { operation: restore, account: "acc_demo", items: ids(1020), actor };
  const preview = await batches.submit({ ...promoters, dryRun: true });
  await batches.wait(preview.id);
  const run = await batches.submit({ ...promoters, note: "Ticket 4711: promoters of the spring campaign" });
  await batches.wait(run.id);
  await batches.undo(run.id, { actor });
  const leads = { operation: "vicidial.leads.dearchive", params: { insert_leads: true, delete_leads: true } };
  const third = await batches.submit({ ...leads, items: ids(640), actor });
  await batches.wait(third.id);
  const other = await batches.submit({ ...promoters, account: "acc_other", items: [2001, 2002, 2003], actor });
  await batches.wait(other.id);
  if (!images) {
    const books = { operation: "shelf.books.restore", params: { notify: true } };
    const unknown = await batches.submit({ ...books, items: [1, 2, 3, 250, 307, unknownBook], actor });
    await batches.wait(unknown.id);
  }
});

afterAll(async () => {
  await browser?.close();
  await gateway?.[Symbol.asyncDispose]();
});

/** Lists what axe and the width of the window find wrong with a page. The dark scheme changes colors alone. */
async function findFaults(page: Page, name: string): Promise<object[]> {
  const faults: object[] = [];
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    if (Number(overflow) > 0) faults.push({ name, width, overflow });
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme });
      const violations = await findViolations(page, colorScheme === "dark" ? { tags: ["cat.color"] } : {});
      for (const violation of violations) faults.push({ name, width, colorScheme, ...violation });
      if (images && width === 1280 && !/none|invalid/.test(name))
        await page.screenshot({ path: `${images}${name}-${colorScheme}.png`, fullPage: true });
    }
  }
  return faults;
}

/** Selects the elements that Tab must reach. */
const reachable = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";

/** Records every element that takes the focus, with its outline. */
const recordFocus = `(() => {
  const all = [...document.querySelectorAll(${JSON.stringify(reachable)})];
  window.focused = [];
  addEventListener("focusin", ({ target }) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(target);
    window.focused.push(all.indexOf(target) + " " + outlineStyle + " " + outlineWidth);
  });
  return all.length;
})()`;

/** A stream of changes that the test itself sends. */
const fakeStream = `window.EventSource = class {
  constructor() { window.source = this; }
  close() {}
}`;

describe("every page", () => {
  test("passes axe and fits its width in light and dark", async () => {
    // Axe adds its own script, which the policy would reject.
    await using watched = await openPage(browser, gateway.baseUrl, { bypassCSP: true });
    const { page } = watched;
    await page.goto("/sign-in");
    const faults = await findFaults(page, "sign-in");
    await page.emulateMedia({ colorScheme: "light" });
    await signInToPage(page);
    for (const { name, path } of pages) {
      await page.goto(path);
      faults.push(...(await findFaults(page, name)));
    }
    expect(faults).toEqual([]);
  });

  test("lets Tab reach everything, with a visible focus", async () => {
    await using watched = await openPage(browser, gateway.baseUrl, { reducedMotion: "reduce" });
    const { page } = watched;
    const check = async (path: string) => {
      await page.goto(path);
      const count = (await page.evaluate(recordFocus)) as number;
      for (let step = 0; step < count; step++) await page.keyboard.press("Tab");
      const focused = (await page.evaluate("window.focused")) as string[];
      const expected = Array.from({ length: count }, (_, place) => `${place} solid 3px`);
      expect([path, [...new Set(focused)].sort()]).toEqual([path, expected.sort()]);
    };
    await check("/sign-in");
    await signInToPage(page);
    for (const { path } of pages) await check(path);
    expect(watched.faults).toEqual([]);
  });

  test("announces progress every ten seconds at most, and shows it at once", async () => {
    await using watched = await openPage(browser, gateway.baseUrl);
    const { page } = watched;
    await page.addInitScript(fakeStream);
    await signInToPage(page);
    await page.goto("/batches/1");
    const state = await page.locator("main").getAttribute("data-state");
    const started = Date.UTC(2026, 10, 30);
    const seen: unknown[] = [];
    for (const [ms, percent] of [
      [0, "10 %"],
      [1, "11 %"],
      [9999, "12 %"],
      [10_000, "13 %"],
      [19_999, "14 %"],
      [20_001, "15 %"],
    ] as const) {
      await page.clock.setFixedTime(started + ms);
      const data = JSON.stringify({ state, text: { percent }, bar: {}, announce: `${percent} finished` });
      await page.evaluate(`window.source.onmessage({ data: ${JSON.stringify(data)} })`);
      seen.push([
        await page.locator("[data-text=percent]").textContent(),
        await page.getByRole("status").textContent(),
      ]);
    }
    expect(seen).toEqual([
      ["10 %", "10 % finished"],
      ["11 %", "10 % finished"],
      ["12 %", "10 % finished"],
      ["13 %", "13 % finished"],
      ["14 %", "13 % finished"],
      ["15 %", "15 % finished"],
    ]);
    expect(watched.faults).toEqual([]);
  });
});
