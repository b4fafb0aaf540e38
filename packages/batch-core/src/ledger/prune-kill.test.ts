import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { bundleProgram } from "@reinstate/tooling/bundle";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../operation/operation.ts";
import { seeded } from "../testing/simulation/scheduler.ts";
import { createTestHost, type TestHost } from "../testing/test-host.ts";
import type { LedgerTables } from "./tables.ts";

/** Kills on each database. `pnpm soak` does 200. */
const kills = Number(process.env.KILLS ?? 8);
const pruner = await bundleProgram(fileURLToPath(new URL("../testing/kill/pruner.ts", import.meta.url)));

/** The tables with rows of batches, and the column that names the batch. */
const tables: Record<string, string> = {
  reinstate_batches: "id",
  reinstate_chunks: "batch_id",
  reinstate_items: "batch_id",
  reinstate_outcomes: "batch_id",
  reinstate_idempotency: "batch_id",
  reinstate_intents: "batch_id",
  reinstate_pruned: "batch_id",
};

/** Has small chunks with an outcome row each, so a batch takes many slices to delete. */
const touch = defineOperation({
  name: "killed.rows.touch",
  label: "row/touch",
  item: z.int(),
  params: z.unknown(),
  key: (id) => id,
  chunkSize: 2,
  apply: async ({ items }) =>
    items.map((key) =>
      key % 2 === 0 ? { key, outcome: "failed", code: "even", message: `${key} is even` } : { key, outcome: "done" },
    ),
});
const items = Array.from({ length: 450 }, (_, index) => index + 1);
const chunks = items.length / touch.chunkSize;

/** Starts a process that waits for a prune command, so no kill hits the start of the process. */
function startPruner(databaseUrl: string) {
  const child = spawn(process.execPath, [pruner, databaseUrl], { stdio: ["pipe", "pipe", "inherit"] });
  const exit = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const ready = once(child.stdout, "data");
  child.stdin.on("error", () => {});
  return {
    child,
    /** Prunes batches that ended before a time. Returns the signal that ended the process, or null if it finished. */
    async prune(before: number, killAfterMs: number): Promise<NodeJS.Signals | null> {
      await ready;
      const pruning = once(child.stdout, "data");
      child.stdin.write(`${before}\n`);
      await pruning;
      const timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
      const [status, signal] = await exit;
      clearTimeout(timer);
      if (signal === null) expect(status).toBe(0);
      return signal;
    },
  };
}

async function countRows({ database }: TestHost, id: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [table, column] of Object.entries(tables)) {
    const query = sql<{
      count: number;
    }>`select count(*) as count from ${sql.table(table)} where ${sql.ref(column)} = ${id}`;
    counts[table] = Number((await query.execute(database.tables())).rows[0]?.count);
  }
  return counts;
}

const whole = {
  reinstate_batches: 1,
  reinstate_chunks: 225,
  reinstate_items: 225,
  reinstate_outcomes: 225,
  reinstate_idempotency: 1,
  reinstate_intents: chunks,
  reinstate_pruned: 0,
};
const none = Object.fromEntries(Object.keys(tables).map((table) => [table, 0]));

async function submit(host: TestHost, count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let made = 0; made < count; made++) {
    const idempotency = { scope: "kill", key: crypto.randomUUID(), digest: "d" };
    const { id } = await host.batches.submit({ operation: touch.name, items, inline: true, idempotency });
    await host.database
      .tables<LedgerTables>()
      .insertInto("reinstate_intents")
      .values(
        Array.from({ length: chunks }, (_, seq) => ({
          ...{ batch_id: id, generation: 0, seq },
          ...{ keys: "[]", done: "[]", reference: null },
        })),
      )
      .execute();
    ids.push(id);
  }
  return ids;
}

/** Checks that a batch has all its rows, or is unknown and listed until its last row is gone. Returns the listed batches. */
async function checkBatches(host: TestHost, ids: readonly number[]): Promise<number[]> {
  const listed: number[] = [];
  for (const id of ids) {
    const { reinstate_idempotency: keys, ...rows } = await countRows(host, id);
    if (rows.reinstate_batches === 1) {
      expect({ id, ...rows, reinstate_idempotency: keys }).toEqual({ id, ...whole });
      expect((await host.batches.get(id)).total).toBe(items.length);
      continue;
    }
    await expect(host.batches.get(id)).rejects.toMatchObject({ code: "unknown_batch" });
    await expect(host.batches.items(id)).rejects.toMatchObject({ code: "unknown_batch" });
    if (rows.reinstate_pruned === 1) listed.push(id);
    else expect({ id, ...rows, reinstate_idempotency: 0 }).toEqual({ id, ...none });
  }
  return listed;
}

describe.concurrent.each(ledgerDatabases)("a prune that is killed on $name", ({ open }) => {
  test("leaves no partial batch, and the next prune finishes its work", { timeout: 24 * 3_600_000 }, async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    host.register(touch);
    const random = seeded(kills);
    const old: number[] = [];
    let spanMs = 100;
    let killed = 0;
    let interrupted = 0;
    let waiting = startPruner(database.url);
    while (killed < kills || interrupted === 0) {
      const ids = await submit(host, 3);
      old.push(...ids);
      const { prune } = waiting;
      waiting = startPruner(database.url);
      const from = performance.now();
      if ((await prune(Date.now() + 1, random() * spanMs)) === null) {
        // The prune finished before the kill.
        spanMs = (performance.now() - from) / 2;
        continue;
      }
      killed++;
      spanMs *= 1.2;
      if ((await checkBatches(host, old)).length > 0) interrupted++;
    }
    waiting.child.kill("SIGKILL");

    const newest = old.at(-1) as number;
    await host.batches.prune({ before: Date.now() + 1 });
    for (const id of old.slice(0, -1)) expect([id, await countRows(host, id)]).toEqual([id, none]);
    expect(await countRows(host, newest)).toEqual(whole);
  });
});
