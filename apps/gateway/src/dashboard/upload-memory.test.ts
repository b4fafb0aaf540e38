import { readFileSync } from "node:fs";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { startShelfGateway } from "../testing/gateway-process.ts";

/** Ids of the upload; set UPLOAD for more. */
const count = Number(process.env.UPLOAD ?? 1_000_000);
const idsPerPart = 10_000;

const readMegabytes = (pid: number, field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

const boundary = "----form";

/** A form as a browser without a script sends it. */
async function* makeForm(fields: Record<string, string>): AsyncGenerator<Uint8Array> {
  for (const [name, value] of Object.entries(fields)) {
    yield Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  }
  const head = 'Content-Disposition: form-data; name="file"; filename="ids.txt"\r\nContent-Type: text/plain\r\n\r\n';
  yield Buffer.from(`--${boundary}\r\n${head}`);
  for (let first = 1; first <= count; first += idsPerPart) {
    const ids = Array.from({ length: Math.min(idsPerPart, count - first + 1) }, (_, index) => first + index);
    yield Buffer.from(`${ids.join("\n")}\n`);
  }
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

describe("an upload from a form", () => {
  // Only Linux reports the peak memory of another process.
  test.runIf(process.platform === "linux")(`streams ${count} ids`, async () => {
    await using database = sqliteDatabase();
    await using gateway = await startShelfGateway({ REINSTATE_DATABASE_URL: database.url, REINSTATE_ROLE: "web" });
    const { baseUrl, child } = gateway;
    const headers = { origin: baseUrl };
    const signedIn = await fetch(`${baseUrl}/sign-in`, {
      method: "POST",
      redirect: "manual",
      headers,
      body: new URLSearchParams({ secret: "demo-admin-key" }),
    });
    const cookie = signedIn.headers.getSetCookie()[0]?.split(";", 1)[0] ?? "";
    const page = await fetch(`${baseUrl}/batches/new?operation=shelf.books.restore%40local`, { headers: { cookie } });
    const [, key = ""] = /name="key" value="([^"]*)"/.exec(await page.text()) ?? [];
    const idle = readMegabytes(child.pid!, "VmRSS");
    const fields = { key, operation: "shelf.books.restore@local", "param.notify": "true", items: "" };
    const answer = await fetch(`${baseUrl}/batches/new`, {
      method: "POST",
      redirect: "manual",
      headers: { ...headers, cookie, "content-type": `multipart/form-data; boundary=${boundary}` },
      body: ReadableStream.from(makeForm(fields)),
      duplex: "half",
    } as unknown as RequestInit);
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/batches/1"]);
    const peak = readMegabytes(child.pid!, "VmHWM");
    const shown = await until(async () => {
      const batch = await fetch(`${baseUrl}/batches/1`, { headers: { cookie } });
      return batch.text();
    });
    expect(shown).toContain(count.toLocaleString("en-US"));
    expect(peak - idle).toBeLessThan(150);
  });
});
