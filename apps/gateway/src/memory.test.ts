import { readFileSync } from "node:fs";
import { platform } from "node:os";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { startGateway } from "./testing/gateway-process.ts";

const ids = 200_000;
const megabyte = 1_000_000;

/** The most memory that a process has had so far, in bytes. */
function peakMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

function* upload(): Generator<Uint8Array> {
  for (let id = 1; id <= ids; id += 10_000) {
    yield Buffer.from(Array.from({ length: 10_000 }, (_, index) => `${id + index}\n`).join(""));
  }
}

describe("memory of the gateway", () => {
  // Only Linux keeps a process's peak.
  test.runIf(platform() === "linux")("does not grow with batches and reports", async () => {
    await using database = sqliteDatabase();
    const settings = { REINSTATE_DATABASE_URL: database.url, REINSTATE_DEMO: "true", LOG_LEVEL: "warn" };
    await using gateway = await startGateway(settings);
    const pid = gateway.child.pid as number;
    const before = peakMemory(pid);
    const headers = { authorization: "Bearer demo-admin-key", "content-type": "application/x-ndjson" };
    const call = (path: string, init: object = {}) =>
      fetch(`${gateway.baseUrl}/v1/batches${path}`, { headers, ...init });
    const query = "?operation=firstpromoter.promoters.restore&account=acc_demo";
    const created = await call(query, { method: "POST", body: ReadableStream.from(upload()), duplex: "half" });
    expect(created.status).toBe(202);
    const { id } = (await created.json()) as { id: number };
    // The stream of events ends with the batch.
    await (await call(`/${id}/events`)).text();
    expect(await (await call(`/${id}`)).json()).toMatchObject({ status: "completed", processed: ids });
    for (const report of Array.from({ length: 4 }, () => ["report.csv", "report.ndjson", "manifest.json"]).flat()) {
      let bytes = 0;
      for await (const part of (await call(`/${id}/${report}`)).body ?? []) bytes += part.length;
      expect(bytes).toBeGreaterThan(0);
    }
    // 78 to 93 are seen, and 134 to 180 if the heap may grow fourfold before garbage is collected.
    expect(peakMemory(pid) - before).toBeLessThan(110 * megabyte);
    expect(peakMemory(pid)).toBeLessThan(250 * megabyte);
  });
});
