import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../operation/operation.ts";
import { createTestHost } from "../testing/test-host.ts";
import { createIntents } from "./intents.ts";

describe.each(ledgerDatabases)("intents on $name", ({ open }) => {
  test("finds the intent of a chunk until it is replaced", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url, role: "web" });
    const intents = createIntents<number>(host.database);
    const chunk = { batchId: 1, generation: 0, seq: 2 };
    expect(await intents.find(chunk)).toBeUndefined();
    await intents.intend(chunk, { keys: [1, 2] });
    await intents.confirm(chunk, "job 7");
    expect(await intents.find(chunk)).toEqual({ keys: [1, 2], done: [], reference: "job 7" });
    expect(await intents.find({ ...chunk, generation: 1 })).toBeUndefined();
    await intents.intend(chunk, { keys: [1, 2, 3] });
    expect(await intents.find(chunk)).toEqual({ keys: [1, 2, 3], done: [], reference: null });
    await intents.narrow(chunk, { keys: [1], done: [3] });
    expect(await intents.find(chunk)).toEqual({ keys: [1], done: [3], reference: null });
  });

  test("deletes the intents of finished chunks", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const intents = createIntents<number>(host.database);
    host.register(
      defineOperation<number, unknown>({
        name: "test.rows.send",
        label: "row/send",
        item: z.int(),
        params: z.unknown(),
        key: (id) => id,
        chunkSize: 2,
        effects: "elsewhere",
        limits: { concurrency: 1 },
        async apply(work) {
          await intents.intend(work, { keys: work.items });
          return work.items.map((key) => ({ key, outcome: "done" }));
        },
      }),
    );
    const { id } = await host.batches.submit({ operation: "test.rows.send", items: [1, 2, 3, 4, 5] });
    await host.batches.wait(id);
    const left = await Promise.all([0, 1, 2].map((seq) => intents.find({ batchId: id, generation: 0, seq })));
    // The intent of the last finished chunk stays.
    expect(left.filter((intent) => intent !== undefined)).toHaveLength(1);
  });
});
