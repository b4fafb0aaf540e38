import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { postgresDatabase } from "@reinstate/tooling/databases";
import { findPostgres } from "@reinstate/tooling/services";
import { type Cluster, createV1, startCluster, type V1Batch } from "../../apps/gateway/src/testing/cluster.ts";
import { run } from "../../apps/gateway/src/testing/gateway-process.ts";
import { openBare } from "./bare.ts";
import { account, countRestored, fillPromoters } from "./promoters.ts";

/**
 * Runs four gateways on one PostgreSQL that restore and archive a million promoters repeatedly, in five concurrent batches. Meanwhile
 * a worker is killed with -9 every few seconds and replaced. Exits with 1 if an item is lost or done twice, or if there is no
 * progress for 30 seconds.
 */
const { values } = parseArgs({
  options: {
    ids: { type: "string", default: "1000000" },
    minutes: { type: "string", default: "5" },
    engine: { type: "string", default: "pg-boss" },
    "kill-every": { type: "string", default: "3" },
  },
});
const parts = 5;
const each = Math.floor(Number(values.ids) / parts);
const total = each * parts;
const longestGapAllowedMs = 30_000;

const print = (line: string) => process.stdout.write(`${line}\n`);
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

let kills = 0;
let longestGapMs = 0;
let largestMb = 0;

/** Waits for the end of a round. @throws if an item was not done exactly once. */
async function finish(v1: ReturnType<typeof createV1>, cluster: Cluster, ids: number[]): Promise<void> {
  let processed = -1;
  let changedAt = Date.now();
  for (;;) {
    const batches: V1Batch[] = [];
    for (const id of ids) batches.push(await v1.get(id));
    const now = batches.reduce((sum, batch) => sum + batch.processed, 0);
    longestGapMs = Math.max(longestGapMs, Date.now() - changedAt);
    if (now !== processed) changedAt = Date.now();
    if (longestGapMs > longestGapAllowedMs) throw new Error(`No progress for ${longestGapMs} ms`);
    processed = now;
    for (const pid of cluster.pids()) largestMb = Math.max(largestMb, residentMb(pid));
    if (batches.every(({ status }) => status === "completed")) {
      for (const { id, done, skipped, failed, unknown } of batches) {
        if (done !== each) throw new Error(`Batch ${id}: ${JSON.stringify({ done, skipped, failed, unknown })}`);
      }
      return;
    }
    await pause(250);
  }
}

/** Returns the resident memory of a process in MB; 0 if it has just been killed or the system does not report it. */
function residentMb(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

const postgres = await findPostgres();
process.env.TEST_POSTGRES_URL = postgres.url;
try {
  await using database = await postgresDatabase();
  const settings = { REINSTATE_DATABASE_URL: database.url, REINSTATE_ENGINE: values.engine };
  const key = (await run(["keys", "create", "--vendor", "admin"], settings)).out.trim();
  await using cluster = await startCluster(settings);
  await using bare = await openBare(database.url);
  await fillPromoters(bare, total);
  const v1 = createV1(cluster.baseUrl, key);
  await cluster.startWorking();

  let over = false;
  const killing = (async () => {
    while (!over) {
      await pause(Number(values["kill-every"]) * 1000);
      await cluster.replaceWorker();
      kills++;
    }
  })();
  try {
    const began = Date.now();
    const end = began + Number(values.minutes) * 60_000;
    // Ends on a restore, so that the table can be counted.
    for (let round = 0; Date.now() < end || round % 2 === 0; round++) {
      const verb = round % 2 === 0 ? "restore" : "archive";
      const from = performance.now();
      const ids: number[] = [];
      for (let part = 0; part < parts; part++) {
        const items = Array.from({ length: each }, (_, index) => index * parts + part + 1);
        ids.push((await v1.stream(`firstpromoter.promoters.${verb}`, account, items)).id);
      }
      await finish(v1, cluster, ids);
      const seconds = (performance.now() - from) / 1000;
      const restored = await countRestored(bare);
      if (restored !== (verb === "restore" ? total : 0))
        throw new Error(`${restored} promoters are live, expected ${verb === "restore" ? total : 0}`);
      print(
        `${verb}: ${total} ids in ${seconds.toFixed(1)} s, ${Math.round(total / seconds)} a second; ${kills} workers killed so far, ` +
          `longest pause without progress ${longestGapMs} ms, ${Math.round(largestMb)} MB in the largest process`,
      );
    }
    print(`${Math.round((Date.now() - began) / 1000)} s with ${values.engine}: nothing lost, nothing done twice`);
  } finally {
    over = true;
    await killing;
  }
} finally {
  postgres.stop();
}
