import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleProgram } from "@reinstate/tooling/bundle";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { createHost } from "../index.ts";
import { kinds, openElsewhere } from "../testing/kill/operations.ts";
import { type Point, points } from "../testing/kill/points.ts";
import type { Orders } from "../testing/kill/worker.ts";
import { seeded } from "../testing/simulation/scheduler.ts";

/** Kills on each database: the short form, at every point and as often at any moment. `pnpm soak` does 200. */
const kills = Number(process.env.KILLS ?? 40);
const worker = await bundleProgram(fileURLToPath(new URL("../testing/kill/worker.ts", import.meta.url)));

interface Start {
  process: ChildProcess;
  output: string;
  /** Resolves when the worker has opened its database and starts to work. */
  ready: Promise<void>;
}

function start(): Start {
  const child = spawn(process.execPath, [worker], { stdio: ["pipe", "pipe", "inherit"] });
  const ready = Promise.withResolvers<void>();
  const started: Start = { process: child, output: "", ready: ready.promise };
  child.stdout?.on("data", (data) => {
    started.output += data;
    ready.resolve();
  });
  // Orders for a worker that is already dead.
  child.stdin?.on("error", () => {});
  return started;
}

/** Gives a waiting worker its orders and kills it after a while. Returns how it ended. */
async function run({ process, ready }: Start, orders: Orders, afterMs?: number): Promise<"killed" | "ended"> {
  const exit = once(process, "exit") as Promise<[number | null, string | null]>;
  process.stdin?.write(`${JSON.stringify(orders)}\n`);
  await Promise.race([ready, exit]);
  const timer = afterMs === undefined ? undefined : setTimeout(() => process.kill("SIGKILL"), afterMs);
  const [code, signal] = await exit;
  clearTimeout(timer);
  if (signal === null) expect(code).toBe(0);
  return signal === "SIGKILL" ? "killed" : "ended";
}

describe.concurrent.each(ledgerDatabases)("a process that is killed on $name", ({ open }) => {
  test(`${kills} times, at every point: nothing is lost, nothing is done twice, every batch ends`, {
    timeout: 24 * 3_600_000,
  }, async () => {
    const random = seeded(kills);
    await using database = await open();
    const folder = mkdtempSync(join(tmpdir(), "reinstate-kill-"));
    const elsewhere = join(folder, "elsewhere.db");
    const host = await createHost({ databaseUrl: database.url, role: "web" });
    const waiting: Start[] = [];
    try {
      await sql`create table effects (batch_id bigint not null, item bigint not null)`.execute(host.database.tables());
      const orders: Orders = { databaseUrl: database.url, elsewhere, batches: [], newest: 5 };
      const requested: Orders["batches"] = [];
      expect(await run(start(), orders)).toBe("ended");
      waiting.push(start(), start());
      const killedAt = new Map<Point | "anywhere", number>();
      let next = 0;
      for (let killed = 0; killed < kills || killedAt.size <= points.length; ) {
        const size = random() < 0.3 ? 3 : 18;
        const kind = kinds[requested.length % kinds.length] ?? "ledger";
        requested.push({ kind, items: Array.from({ length: size }, () => next++) });
        orders.batches.push(...requested.slice(-1));
        const point = killed % 2 === 0 ? undefined : points[(killed >> 1) % points.length];
        const die = point && { at: point, nth: 1 + Math.floor(random() * 3) };
        const one = waiting.shift() as Start;
        waiting.push(start());
        const end = await run(one, { ...orders, die }, point ? undefined : random() * 150);
        // Batches that it has not reported are submitted again.
        orders.batches = orders.batches.filter(({ items }) => !one.output.includes(`batch ${items[0]}\n`));
        if (end === "ended") continue;
        killed++;
        const where = points.find((point) => one.output.includes(point)) ?? "anywhere";
        killedAt.set(where, (killedAt.get(where) ?? 0) + 1);
      }
      expect(await run(waiting.shift() as Start, { ...orders, newest: 10_000 })).toBe("ended");

      const stored = (await host.batches.list({ limit: 10_000 })).reverse();
      expect(stored).toHaveLength(requested.length);
      const here = await sql<{ batch_id: number; item: number }>`select * from effects`.execute(host.database.tables());
      const file = openElsewhere(elsewhere);
      const effects = [...here.rows, ...(file.prepare("select * from effects").all() as typeof here.rows)];
      file.close();
      for (const batch of stored) {
        const kind = batch.operation.split(".")[1];
        const outcomes: [number, unknown][] = [];
        for await (const { item, outcome } of host.batches.everyItem(batch.id))
          outcomes.push([item as number, outcome]);
        outcomes.sort(([a], [b]) => a - b);
        const wanted = requested.find(({ items }) => items[0] === outcomes[0]?.[0]);
        expect(outcomes).toEqual(wanted?.items.map((item) => [item, "done"]));
        expect(batch).toMatchObject({
          operation: `killed.${wanted?.kind}.restore`,
          status: "completed",
          counts: { done: batch.total, skipped: 0, failed: 0, unknown: 0 },
          total: wanted?.items.length,
        });
        const done = effects.filter(({ batch_id }) => batch_id === batch.id).map(({ item }) => item);
        done.sort((a, b) => a - b);
        expect(kind === "repeatable" ? [...new Set(done)] : done).toEqual(wanted?.items);
      }
    } finally {
      for (const { process } of waiting) process.kill("SIGKILL");
      await host.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
