import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { postgresDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../index.ts";
import { createTestHost, until } from "../testing/index.ts";
import { createInProcessEngine } from "./in-process.ts";
import { createPgBossEngine } from "./pg-boss.ts";

const fixture = fileURLToPath(new URL("./stuck-worker.test.fixture.ts", import.meta.url));

const engines = [
  {
    name: "in-process on SQLite",
    argument: "in-process",
    engine: createInProcessEngine,
    open: async () => sqliteDatabase(),
  },
  { name: "in-process on PostgreSQL", argument: "in-process", engine: createInProcessEngine, open: postgresDatabase },
  { name: "pg-boss", argument: "pg-boss", engine: createPgBossEngine, open: postgresDatabase },
];

describe.concurrent.each(engines)("engine $name", ({ argument, engine, open }) => {
  test("takes over the chunks of a killed worker within a minute", async () => {
    await using database = await open();
    const attempts: number[] = [];
    const operation = defineOperation<number, unknown>({
      name: "test.rows.touch",
      label: "row/touch",
      item: z.int(),
      params: z.unknown(),
      key: (id) => id,
      chunkSize: 1,
      inlineLimit: 0,
      effects: "elsewhere",
      async apply({ items, attempt }) {
        attempts.push(attempt);
        return items.map((key) => ({ key, outcome: "done" }));
      },
    });
    await using web = await createTestHost({ databaseUrl: database.url, role: "web" });
    web.register(operation);
    const { id } = await web.batches.submit({ operation: operation.name, items: [1, 2, 3] });
    // One worker claims all chunks.
    const child = spawn(process.execPath, [fixture, database.url, argument], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
      await until(() => output.split("\n").length > 3);
      await using host = await createTestHost({ databaseUrl: database.url, engine });
      host.register(operation);
      const killedAt = Date.now();
      child.kill("SIGKILL");
      const batch = await until(async () => {
        const batch = await web.batches.get(id);
        return batch.status === "completed" && batch;
      });
      expect(Date.now() - killedAt).toBeLessThan(60_000);
      expect(batch.counts.done).toBe(3);
      expect(attempts).toEqual([2, 2, 2]);
    } finally {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
  });
});
