import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { openBrowser, openPage, signInToPage } from "../testing/browser.ts";
import { signIn } from "../testing/dashboard-client.ts";
import { openDemoGateway } from "../testing/demo-gateway.ts";
import { startShelfGateway } from "../testing/gateway-process.ts";
import { shelf } from "../testing/shelf.ts";

const books = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Creates a batch of books over HTTP. */
async function restoreBooks(baseUrl: string, count: number): Promise<number> {
  const response = await fetch(`${baseUrl}/v1/batches`, {
    method: "POST",
    headers: { authorization: "Bearer demo-admin-key", "content-type": "application/json" },
    body: JSON.stringify({ operation: "shelf.books.restore", params: { notify: false }, items: books(count) }),
  });
  return ((await response.json()) as { id: number }).id;
}

describe("live pages", () => {
  test("continue by themselves after the gateway restarts", async () => {
    await using database = sqliteDatabase();
    const settings = { REINSTATE_DATABASE_URL: database.url, REINSTATE_SHELF_PAUSE_MS: "150" };
    await using first = await startShelfGateway(settings);
    const { port } = new URL(first.baseUrl);
    await using browser = await openBrowser();
    await using watched = await openPage(browser, first.baseUrl);
    const { page } = watched;
    await signInToPage(page);
    const id = await restoreBooks(first.baseUrl, 20_000);
    await page.goto(`/batches/${id}`);
    const read = () => page.locator("[data-text=done]").textContent();
    const before = await read();
    await until(async () => (await read()) !== before);

    await first.end("SIGKILL");
    const atEnd = await read();
    await using _second = await startShelfGateway({ ...settings, PORT: port });
    await until(async () => (await read()) !== atEnd);

    // A stop from elsewhere changes the page, too.
    const stop = await fetch(`${first.baseUrl}/v1/batches/${id}/stop`, {
      method: "POST",
      headers: { authorization: "Bearer demo-admin-key" },
    });
    expect(stop.status).toBe(200);
    await page.locator(".tags .badge", { hasText: "Stopped" }).waitFor();
    // The stream of a stopped batch shows that it continues.
    await fetch(`${first.baseUrl}/v1/batches/${id}/resume`, {
      method: "POST",
      headers: { authorization: "Bearer demo-admin-key" },
    });
    await page.locator(".tags .badge", { hasText: "In progress" }).waitFor();
  });

  test("load in seven windows of one browser, and close hidden streams", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startShelfGateway({
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_SHELF_PAUSE_MS: "200",
    });
    await using browser = await openBrowser();
    await using watched = await openPage(browser, gateway.baseUrl);
    await signInToPage(watched.page);
    const id = await restoreBooks(gateway.baseUrl, 20_000);
    const pages = [watched.page];
    while (pages.length < 7) pages.push(await watched.page.context().newPage());
    for (const page of pages) await page.goto(`/batches/${id}`);
    for (const page of pages) {
      const read = () => page.locator("[data-text=done]").textContent();
      const before = await read();
      await until(async () => (await read()) !== before);
    }

    const [page] = pages;
    const closed = page!.waitForEvent("requestfailed", (request) => request.url().endsWith("/events"));
    await page!.evaluate(`Object.defineProperty(document, "hidden", { value: true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"))`);
    await closed;
    const opened = page!.waitForEvent("request", (request) => request.url().endsWith("/events"));
    await page!.evaluate(`Object.defineProperty(document, "hidden", { value: false, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"))`);
    await opened;
    expect(watched.faults).toEqual([]);
  });

  test("share the reads of one batch", async () => {
    await using gateway = await openDemoGateway("sqlite::memory:", { REINSTATE_SHELF_PAUSE_MS: "100" }, [shelf]);
    const { batches } = gateway.host;
    await batches.submit({ operation: "shelf.books.restore", params: { notify: false }, items: books(10_000) });
    await batches.stop(1);
    let reads = 0;
    const { get } = batches;
    batches.get = (id) => {
      reads++;
      return get(id);
    };
    const started = Date.now();
    const streams = [];
    for (let browser = 0; browser < 25; browser++) {
      const client = await signIn(gateway);
      for (let page = 0; page < 4; page++) {
        const { body } = await client.get("/batches/1/events", { accept: "text/event-stream" });
        streams.push(body!.getReader());
      }
    }
    const opening = reads;
    for (const stream of streams) expect((await stream.read()).done).toBe(false);
    await until(() => Date.now() - started > 5000);
    const seconds = (Date.now() - started) / 1000;
    expect(reads - opening).toBeLessThan(2 * seconds + 4);
    for (const stream of streams) await stream.cancel();
  });
});
