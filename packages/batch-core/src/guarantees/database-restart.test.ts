import { privatePostgres } from "@reinstate/tooling/services";
import { sql } from "kysely";
import { expect, test } from "vitest";
import * as z from "zod";
import { createPgBossEngine } from "../engine/pg-boss.ts";
import { countFinished, createHost, defineOperation } from "../index.ts";
import { until } from "../testing/index.ts";

const mark = defineOperation({
  name: "test.rows.mark",
  label: "row/mark",
  item: z.int(),
  params: z.strictObject({}),
  key: (id) => id,
  chunkSize: 20,
  async apply({ items, transaction }) {
    const rows = sql.join(items.map((id) => sql`(${id}::bigint)`));
    // A row has no key: doing an item twice would show as two rows.
    await sql`insert into marks (id) values ${rows}`.execute(transaction);
    return items.map((key) => ({ key, outcome: "done" }));
  },
});

test.each([
  ["in-process", undefined],
  ["pg-boss", createPgBossEngine],
])("batch survives a kill and restart of PostgreSQL, engine %s", async (_, engine) => {
  const postgres = await privatePostgres();
  try {
    const host = await createHost({ databaseUrl: postgres.url, concurrency: 2, ...(engine && { engine }) });
    try {
      await sql`create table marks (id bigint not null)`.execute(host.database.tables());
      host.register(mark);
      const items = Array.from({ length: 20_000 }, (_, index) => index + 1);
      const { id } = await host.batches.submit({ operation: mark.name, items });
      const settled = async () => countFinished((await host.batches.get(id)).counts);
      for (const part of [2000, 8000]) {
        await until(async () => (await settled()) >= part);
        await postgres.kill();
        await expect(host.batches.get(id)).rejects.toThrow();
        await postgres.start();
      }
      const batch = await until(async () => {
        const batch = await host.batches.get(id);
        return batch.status === "completed" && batch;
      });
      expect(batch.counts).toEqual({ done: 20_000, skipped: 0, failed: 0, unknown: 0 });
      const { rows } = await sql<{ rows: number; ids: number }>`
        select count(*) as rows, count(distinct id) as ids from marks
      `.execute(host.database.tables());
      expect(rows).toEqual([{ rows: 20_000, ids: 20_000 }]);
    } finally {
      await host.close();
    }
  } finally {
    postgres.stop();
  }
});
