import { findChromium } from "@reinstate/tooling/services";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Without these, Chromium calls its maker's servers. As root it has no sandbox. */
const options = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

/** Starts the distribution's Chromium. */
export async function openBrowser(): Promise<Browser & AsyncDisposable> {
  return chromium.launch({ executablePath: findChromium(), args: options });
}

/** A page, and what went wrong on it so far: dialogs, breaches of the policy, errors of scripts, calls of other hosts. */
export interface WatchedPage extends AsyncDisposable {
  page: Page;
  faults: string[];
  /** The size of every answer in bytes as it was sent, by path. */
  sizes: Map<string, number>;
}

/** Opens a page in a context of its own. */
export async function openPage(
  browser: Browser,
  baseUrl: string,
  context: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const opened = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: baseUrl, ...context });
  // A page may take long on a busy machine.
  opened.setDefaultTimeout(120_000);
  const faults: string[] = [];
  const sizes = new Map<string, number>();
  const { host } = new URL(baseUrl);
  opened.on("request", (request) => {
    const url = new URL(request.url());
    if (url.host !== host) faults.push(`request to ${url.host}`);
  });
  opened.on("response", (response) => {
    if (response.status() >= 500) faults.push(`${response.status()} ${response.url()}`);
  });
  opened.on("requestfinished", async (request) => {
    const size = await request.sizes().catch(() => undefined);
    if (size) sizes.set(new URL(request.url()).pathname, size.responseBodySize);
  });
  opened.on("console", (message) => {
    // The browser reports every answer of 4xx itself.
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) faults.push(message.text());
  });
  opened.on("dialog", (dialog) => {
    faults.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  opened.on("weberror", (error) => void faults.push(String(error.error())));
  return { page: await opened.newPage(), faults, sizes, [Symbol.asyncDispose]: () => opened.close() };
}

/** Signs in with the demo's admin key, or another one. */
export async function signInToPage(page: Page, secret = "demo-admin-key", path = "sign-in"): Promise<void> {
  await page.goto(path);
  await page.getByLabel("Admin key").fill(secret);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Batches", exact: true }).waitFor();
}
