import { defineOperation, defineVendor, showControls } from "@reinstate/batch-core";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import type { Gateway } from "../gateway.ts";
import { openBrowser, openPage, signInToPage } from "../testing/browser.ts";
import { readHidden, signIn } from "../testing/dashboard-client.ts";
import { naughtyTexts } from "../testing/naughty-texts.ts";
import { serveDemoGateway } from "../testing/served-gateway.ts";

/** Every item fails with itself as the code and the message. */
const echo = defineOperation<string, Record<string, string>>({
  name: "echo.texts.restore",
  label: "text/restore",
  item: z.string(),
  params: z.record(z.string(), z.string()),
  key: (text) => text,
  chunkSize: 100,
  apply: async ({ items }) =>
    items.map((text) => ({ key: text, outcome: "failed", code: text.trim() === "" ? "blank" : text, message: text })),
});

const vendor = defineVendor({
  name: "echo",
  label: "Echo",
  paths: ["/echo"],
  settings: z.strictObject({}),
  async create(host) {
    host.register(echo);
    return { operations: [echo], routes: { fetch: () => new Response(null, { status: 404 }) } };
  },
  demo: { keys: [], load: async () => {}, curl: () => "" },
});

/** A browser reads every line end as a line feed. */
const toShown = (text: string) => showControls(text).replace(/\r\n?/g, "\n");

/** Uploads a file of each name. A file with a fault is answered with the form again. */
async function expectNamesAreHarmless(gateway: Gateway): Promise<void> {
  const client = await signIn(gateway);
  const page = await (await client.get("/batches/new?operation=echo.texts.restore%40local")).text();
  const key = readHidden(page, "key");
  for (const name of naughtyTexts) {
    const form = new FormData();
    form.set("key", key);
    form.set("operation", "echo.texts.restore@local");
    form.set("file", new File(['{"'], name));
    const answer = await client.post("/batches/new", form);
    expect([name, answer.status]).toEqual([name, 422]);
    const shown = await answer.text();
    if (/[<>"]/.test(name)) expect(shown.includes(name) && !page.includes(name)).toBe(false);
  }
}

describe("foreign texts", () => {
  test("appear as they are in every field", async () => {
    expect(naughtyTexts.length).toBeGreaterThan(450);
    await using served = await serveDemoGateway("sqlite::memory:", {}, [vendor]);
    const { gateway } = served;
    const { batches, keys, database } = gateway.host;
    await batches.submit({ operation: echo.name, items: naughtyTexts, params: {} });
    const named = Object.fromEntries(naughtyTexts.map((text, index) => [`p${index}`, text]));
    await batches.submit({ operation: echo.name, items: ["x"], params: named });
    for (const text of naughtyTexts) await keys.create({ vendor: "firstpromoter", account: text, name: text });
    const notes = naughtyTexts.map((note, index) => ({
      batch_id: 2,
      seq: 1000 + index,
      at: 0,
      verb: "stopped",
      note,
      generation: 0,
    }));
    await database
      .tables<{ reinstate_events: (typeof notes)[number] }>()
      .insertInto("reinstate_events")
      .values(notes)
      .execute();
    await expectNamesAreHarmless(gateway);

    await using browser = await openBrowser();
    await using watched = await openPage(browser, served.baseUrl);
    const { page } = watched;
    await signInToPage(page);
    const readAll = (selector: string) => page.locator(selector).allTextContents();

    const shown: string[] = [];
    await page.goto("/batches/1/items");
    for (;;) {
      shown.push(...(await readAll("tbody th code")));
      expect(await readAll("tbody td.wide")).toEqual(
        shown.slice(-100).slice(-(await page.locator("tbody tr").count())),
      );
      const next = page.getByRole("link", { name: "Next items" });
      if ((await next.count()) === 0) break;
      // A click does not wait for the next page, and its rows would be those of this one.
      await page.goto((await next.getAttribute("href")) ?? "");
    }
    expect(shown).toEqual(naughtyTexts.map(toShown));

    await page.goto("/batches/1");
    const codes = new Set(await readAll("tbody th code"));
    for (const text of naughtyTexts.filter((text) => text.trim() !== "")) expect(codes).toContain(toShown(text));

    await page.goto("/batches/2");
    const values = await readAll(".facts dd code");
    for (const text of Object.values(named)) expect(values).toContain(toShown(JSON.stringify(text)));

    expect(await readAll(".history q")).toEqual(expect.arrayContaining(naughtyTexts.map(toShown)));

    await page.goto("/keys");
    const rows = await readAll("tbody td:nth-child(3)");
    for (const text of naughtyTexts) expect(rows).toContain(toShown(text));

    for (const name of naughtyTexts.slice(0, 4)) {
      await page.goto("/batches/new?operation=echo.texts.restore%40local");
      await page
        .getByLabel("Or a file")
        .setInputFiles({ name: name.replace(/[/\\\0]/g, "_"), mimeType: "text/csv", buffer: Buffer.from('{"') });
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByRole("alert").waitFor();
    }
    await page.goto(`/batches?account=${encodeURIComponent('"><script>alert(1)</script>')}`);
    expect(await page.getByLabel("Account").inputValue()).toBe('"><script>alert(1)</script>');
    expect(watched.faults).toEqual([]);
  });
});
