import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { makePromoter } from "@reinstate/firstpromoter/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { startGateway } from "../../apps/gateway/src/testing/gateway-process.ts";
import { account } from "./promoters.ts";
import type { Line } from "./report.ts";
import { isQuick } from "./scale.ts";

const batchCount = 10_000;

/**
 * Measures `/metrics` of a gateway whose ledger has 10,000 batches: its time, and the processor time of a read each second.
 * The gauges of the ledger are read again after 5 s, so every fifth read includes that.
 */
export async function scrapes(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const seconds = isQuick(scale) ? 1 : 20;
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    await fillBatches(opened.url, Math.max(10, Math.round(batchCount * scale)));
    await using gateway = await startGateway({ REINSTATE_DATABASE_URL: opened.url, LOG_LEVEL: "silent" });
    const read = async () => (await fetch(`${gateway.baseUrl}/metrics`)).text();
    for (let view = 0; view < 50; view++) await read();
    const first = readCpuSeconds(await read());
    await setTimeout(seconds * 1000);
    const idle = readCpuSeconds(await read());
    const times: number[] = [];
    for (let view = 0; view < seconds; view++) {
      await setTimeout(1000);
      const start = performance.now();
      await read();
      times.push(performance.now() - start);
    }
    const scraped = readCpuSeconds(await read()) - idle;
    const slowest = Math.max(...times);
    const share = (100 * Math.max(0, scraped - (idle - first))) / seconds;
    const work = `/metrics each second, ${batchCount * Math.min(1, scale)} batches`;
    lines.push(
      {
        work,
        database,
        ours: `${slowest.toFixed(1)} ms`,
        compared: "slowest",
        figure: slowest,
        unit: " ms",
        wanted: { atMost: 20 },
      },
      {
        work,
        database,
        ours: `${share.toFixed(2)} % CPU`,
        compared: "idle gateway",
        figure: share,
        unit: " %",
        wanted: { atMost: 2 },
      },
    );
    gateway.child.kill();
    await once(gateway.child, "exit");
  }
  return lines;
}

/** Stores one batch and copies its row, because many small batches take long. */
async function fillBatches(databaseUrl: string, count: number): Promise<void> {
  const host = await createHost({ databaseUrl });
  const { store } = await createFirstPromoter(host);
  await store.create(account, [makePromoter()], Date.now());
  const { id } = await host.batches.submit({ operation: "firstpromoter.promoters.restore", account, items: [1] });
  await host.batches.wait(id);
  const db = host.database.tables<Record<string, Record<string, unknown>>>();
  const { rows } = await sql<Record<string, unknown>>`select * from reinstate_batches where id = ${id}`.execute(db);
  const columns = Object.keys(rows[0] ?? {}).filter((column) => column !== "id");
  const others = sql.join(columns.map((column) => sql.ref(column)));
  await sql`insert into reinstate_batches (id, ${others})
    with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${sql.lit(count)})
    select ${id} + n, ${others} from numbers, reinstate_batches where id = ${id}`.execute(db);
  await host.close();
}

function readCpuSeconds(text: string): number {
  const [, seconds] = /^process_cpu_seconds_total (\S+)$/m.exec(text) ?? [];
  if (seconds === undefined) throw new Error("/metrics has no CPU time");
  return Number(seconds);
}
