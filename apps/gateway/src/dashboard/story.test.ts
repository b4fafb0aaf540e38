import { ledgerDatabases } from "@reinstate/tooling/databases";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, openPage } from "../testing/browser.ts";
import { restoreBooks } from "../testing/dashboard-story.ts";
import { startShelfGateway } from "../testing/gateway-process.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
});

afterAll(() => browser?.close());

describe.each(ledgerDatabases)("the dashboard on $name", ({ open }) => {
  test("restores 10,000 books from upload to report", async () => {
    await using database = await open();
    await using gateway = await startShelfGateway({ REINSTATE_DATABASE_URL: database.url });
    const restore = async (hasScript: boolean) => {
      await using watched = await openPage(browser, gateway.baseUrl, { javaScriptEnabled: hasScript });
      await restoreBooks(watched.page, { hasScript });
      expect(watched.faults).toEqual([]);
    };
    // Two operators at the same time: most of the story is waiting.
    await Promise.all([restore(true), restore(false)]);
  });
});
