import { readFileSync } from "node:fs";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { run, startGateway } from "../../apps/gateway/src/testing/gateway-process.ts";
import { openBare } from "./bare.ts";
import { account, fillPromoters } from "./promoters.ts";
import { type Line, thousands } from "./report.ts";

/**
 * Streams one million and ten million unordered ids to the real gateway as NDJSON. Runs both batches, and reads the reports of the
 * larger. One id in ten is a promoter; the rest fail as not found. Reports the peak memory of the gateway's process.
 */
export async function stream(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const settings = { REINSTATE_DATABASE_URL: opened.url, LOG_LEVEL: "warn" };
    const made = await run(["keys", "create", "--vendor", "admin", "--json"], settings);
    const { secret } = JSON.parse(made.out) as { secret: string };
    await using gateway = await startGateway(settings);
    const v1 = createV1(gateway.baseUrl, secret);
    const small = Math.round(1_000_000 * scale);
    await using bare = await openBare(opened.url);
    await fillPromoters(bare, small);

    // Warm-up.
    await v1.waitForEnd((await v1.post(Math.min(20_000, small))).id);
    const first = await v1.post(small);
    await v1.waitForEnd(first.id);
    const large = await v1.post(10 * small);
    const { done, skipped, failed } = await v1.waitForEnd(large.id);
    // The warm-up may have restored the first ids.
    if (done + skipped + failed !== 10 * small)
      throw new Error(`${done} of ${10 * small} ids are done, ${skipped} skipped and ${failed} failed`);
    for (const name of ["report.ndjson", "report.csv"]) {
      const rows = await v1.countLines(`/v1/batches/${large.id}/${name}`);
      if (rows < 10 * small) throw new Error(`${name} has ${rows} lines`);
    }
    const peak = peakMb(gateway.child.pid as number);

    lines.push({
      work: `accept ${thousands(small)} ids over HTTP as NDJSON`,
      database,
      ours: `${first.seconds.toFixed(2)} s`,
      compared: "absolute target",
      figure: first.seconds,
      unit: " s",
      wanted: { atMost: Number((3 * scale).toPrecision(2)) },
    });
    lines.push({
      work: `accept ${thousands(10 * small)} ids, time per id`,
      database,
      ours: `${large.seconds.toFixed(1)} s`,
      compared: `${thousands(small)} ids: ${first.seconds.toFixed(2)} s`,
      figure: large.seconds / 10 / first.seconds,
      wanted: { atMost: 1.2 },
    });
    lines.push({
      work: `memory of the server, ${thousands(10 * small)} ids accepted, run, reported`,
      database,
      ours: `${Math.round(peak)} MB`,
      compared: "absolute target",
      figure: peak,
      unit: " MB",
      wanted: { atMost: 300 },
    });
  }
  return lines;
}

function createV1(baseUrl: string, secret: string) {
  const headers = { authorization: `Bearer ${secret}`, "content-type": "application/x-ndjson" };
  const target = `${baseUrl}/v1/batches?operation=firstpromoter.promoters.restore&account=${account}`;
  return {
    /** Streams ids. Returns the batch id and the seconds until the batch was accepted. */
    async post(count: number): Promise<{ id: number; seconds: number }> {
      const start = performance.now();
      const body = ReadableStream.from(ndjson(count));
      const response = await fetch(target, { method: "POST", headers, body, duplex: "half" });
      const text = await response.text();
      if (response.status !== 202) throw new Error(`The gateway answered ${response.status}: ${text}`);
      return { id: (JSON.parse(text) as { id: number }).id, seconds: (performance.now() - start) / 1000 };
    },
    async waitForEnd(id: number): Promise<{ done: number; skipped: number; failed: number }> {
      for (;;) {
        const batch = (await (await fetch(`${baseUrl}/v1/batches/${id}`, { headers })).json()) as {
          status: string;
          done: number;
          skipped: number;
          failed: number;
        };
        if (batch.status === "completed") return batch;
        if (batch.status === "failed") throw new Error(`Batch ${id} failed`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
    async countLines(path: string): Promise<number> {
      const response = await fetch(`${baseUrl}${path}`, { headers });
      if (!response.ok || !response.body) throw new Error(`${path}: ${response.status}`);
      let lines = 0;
      for await (const part of response.body) {
        for (let at = part.indexOf(10); at !== -1; at = part.indexOf(10, at + 1)) lines++;
      }
      return lines;
    },
  };
}

/** Generates the ids 1 to `count` in a scrambled order, one a line, in parts of about 64 kB. */
function* ndjson(count: number): Generator<Uint8Array> {
  // A prime that divides no count here, so every id comes once.
  const step = 7_368_787;
  const lines: number[] = [];
  for (let i = 0, id = 0; i < count; i++) {
    id = (id + step) % count;
    lines.push(id + 1);
    if (lines.length === 8192 || i === count - 1) {
      yield Buffer.from(`${lines.join("\n")}\n`);
      lines.length = 0;
    }
  }
}

/** Returns the peak resident memory of a process in MB. Needs Linux. */
function peakMb(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kilobytes === undefined) throw new Error("This system does not report the peak memory of a process");
  return (Number(kilobytes) * 1024) / 1_000_000;
}
