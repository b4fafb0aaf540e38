import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { openBrowser, openPage } from "../testing/browser.ts";
import { restoreBooks } from "../testing/dashboard-story.ts";
import { startShelfGateway } from "../testing/gateway-process.ts";

describe.each(ledgerDatabases)("the dashboard on $name", ({ open }) => {
  test("restores 10,000 books from upload to report", async () => {
    await using database = await open();
    await using gateway = await startShelfGateway({ REINSTATE_DATABASE_URL: database.url });
    await using browser = await openBrowser();
    for (const hasScript of [true, false]) {
      await using watched = await openPage(browser, gateway.baseUrl, { javaScriptEnabled: hasScript });
      await restoreBooks(watched.page, { hasScript });
      expect(watched.faults).toEqual([]);
    }
  });
});
