import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { Locator, Page } from "playwright-core";
import { signInToPage } from "./browser.ts";

const readText = async (place: Locator) => (await place.textContent()) ?? "";

const badge = (page: Page, text: string) => page.locator(".tags .badge", { hasText: text });

/** Waits for something on the page. Without a script, the page must be loaded again. */
async function awaitOn(page: Page, hasScript: boolean, isThere: () => Promise<boolean>): Promise<void> {
  for (;;) {
    if (await isThere()) return;
    await page.waitForTimeout(100);
    if (!hasScript) await page.reload();
  }
}

/**
 * Restores 10,000 books as an operator would: sign in, upload, preview, start, stop, resume, look at the failures, retry one code,
 * download the report, sign out. The books are those of `shelf`.
 */
export async function restoreBooks(
  page: Page,
  { hasScript, prefix = "" }: { hasScript: boolean; prefix?: string },
): Promise<void> {
  await signInToPage(page, "demo-admin-key", `${prefix}/sign-in`);

  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "New batch" }).click();
  await page.getByRole("link", { name: "Restore books" }).click();
  await page.getByLabel("notify").check();
  const ids = Array.from({ length: 10_000 }, (_, index) => index + 1);
  const file = { name: "books.csv", mimeType: "text/csv", buffer: Buffer.from(`book_id\n${[...ids, 1].join("\n")}`) };
  await page.getByLabel("Or a file").setInputFiles(file);
  await page.getByRole("button", { name: "Preview" }).click();

  const start = page.getByRole("button", { name: "Restore 9,610 books" });
  await awaitOn(page, hasScript, () => start.isVisible());
  assert.match(
    await readText(page.getByRole("region", { name: "Nothing has changed yet" })),
    /9,610 of 10,000 items, skip 250 and fail for 140\. Duplicates count once: 1 /,
  );
  await start.click();

  const seen = new Set<string>();
  await awaitOn(page, hasScript, async () => {
    seen.add((await page.locator("[data-text=percent]").textContent()) ?? "");
    return seen.size >= 4;
  });
  await page.getByLabel("Note").first().fill("The library is closed");
  await page.getByRole("button", { name: "Stop" }).click();
  await badge(page, "Stopped").waitFor();
  assert.match(
    await readText(page.getByRole("region", { name: "History" })),
    /stopped by demo.*The library is closed/s,
  );
  await page.getByRole("button", { name: /^Resume the remaining/ }).click();
  await awaitOn(page, hasScript, () => badge(page, "Completed").isVisible());

  const codes = page.getByRole("table").filter({ hasText: "lent_out" });
  for (const [code, count] of [
    ["lent_out", "100"],
    ["not_found", "40"],
  ] as const) {
    const row = codes.getByRole("row").filter({ hasText: code });
    await row.getByRole("cell", { name: count, exact: true }).waitFor();
  }
  await codes.getByRole("link", { name: "not_found" }).click();
  assert.match(await readText(page.locator(".lead")), /40 of 10,000 items/);
  assert.equal(await page.getByRole("row").count(), 41);
  await page.goBack();
  await page.getByRole("button", { name: "Retry 100 items with the code lent_out" }).click();
  await awaitOn(
    page,
    hasScript,
    async () =>
      (await badge(page, "Completed").isVisible()) &&
      (await page.getByText("not_found").count()) > 0 &&
      (await page.locator("[data-text=failed]").textContent()) === "40",
  );

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "CSV", exact: true }).click(),
  ]);
  const report = await readFile(await download.path(), "utf8");
  assert.equal(report.trim().split("\n").length, 10_001);
  assert.equal(report.match(/,failed,/g)?.length, 40);

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto(`${prefix}/batches`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}
