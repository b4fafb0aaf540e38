import { ledgerDatabases } from "@reinstate/tooling/databases";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { openDatabase } from "../database/open-database.ts";
import { defineOperation, type Outcome } from "../operation/operation.ts";
import { assemble } from "../testing/assemble.ts";
import { createTestApi } from "../testing/test-api.ts";
import { createTestClock } from "../testing/test-clock.ts";

const words = ["skipped", "failed", "unknown"] as const;

/** The outcome of an item depends on its value and the generation, so that it can be counted. */
function outcomeAt(key: number, generation: number): Outcome {
  const code = `code_${key % 5}`;
  if (key % 3 === 0) return { key, outcome: "done" };
  if (key % 7 === generation % 7) return { key, outcome: "done" };
  return { key, outcome: words[key % 3 === 1 ? 1 : (key >> 2) % 3] as "failed", code, message: `${key}` };
}

const mixed = defineOperation<number, unknown>({
  name: "test.rows.mixed",
  label: "row/mixed",
  item: z.int(),
  params: z.unknown(),
  key: (id) => id,
  chunkSize: 10,
  inlineLimit: 10,
  effects: "elsewhere",
  apply: async ({ items, generation }) => items.map((key) => outcomeAt(key, generation)),
});

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describe.each(ledgerDatabases)("failures by code on $name", ({ open }) => {
  async function begin() {
    const file = await open();
    const database = openDatabase(file.url);
    const core = await assemble({ database, operations: [mixed], clock: createTestClock() });
    const { batches } = core;
    return {
      ...core,
      /** Counts the items of a batch one by one. */
      async count(id: number) {
        const counted: Record<string, number> = {};
        let total = 0;
        for await (const { outcome, code } of batches.everyItem(id)) {
          total++;
          if (outcome === undefined || outcome === "done") continue;
          counted[`${outcome} ${code}`] = (counted[`${outcome} ${code}`] ?? 0) + 1;
        }
        expect(total).toBe((await batches.get(id)).total);
        return counted;
      },
      async sums(id: number) {
        const failures = await batches.failures(id);
        const sizes = failures.map(({ count }) => count);
        expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
        return Object.fromEntries(failures.map(({ outcome, code, count }) => [`${outcome} ${code}`, count]));
      },
      async [Symbol.asyncDispose]() {
        await database.close();
        await file[Symbol.asyncDispose]();
      },
    };
  }

  test("equal the items counted one by one", async () => {
    await using core = await begin();
    const { batches, runner } = core;
    const step = fc.oneof(
      fc.constant({ do: "run" as const }),
      fc.constant({ do: "stop" as const }),
      fc.constant({ do: "resume" as const }),
      fc.constant({ do: "reexamine" as const }),
      fc.record({
        do: fc.constant("mark" as const),
        as: fc.constantFrom("done" as const, "failed" as const),
        code: fc.option(fc.constantFrom("code_1", "code_2", "none"), { nil: undefined }),
      }),
      fc.record({ do: fc.constant("retry" as const), code: fc.option(fc.constantFrom("code_1", "code_2", "none")) }),
    );
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      fc.array(step, { maxLength: 25 }),
      async (size, steps) => {
        const { id } = await batches.submit({ operation: mixed.name, items: numbers(size) });
        for (const step of steps) {
          if (step.do === "run") await runner.runNext(id);
          else if (step.do === "retry") await batches.retry(id, { code: step.code ?? undefined }).catch(() => {});
          else if (step.do === "mark") await batches.mark(id, { ...step, note: "looked" }).catch(() => {});
          else await batches[step.do](id).catch(() => {});
          expect(await core.sums(id)).toEqual(await core.count(id));
        }
        const { counts } = await batches.get(id);
        const sums = Object.entries(await core.sums(id));
        for (const word of words) {
          const sum = sums.reduce((sum, [name, count]) => sum + (name.startsWith(word) ? count : 0), 0);
          expect(sum).toBe(counts[word]);
        }
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });

  test("have a message of one of the items", async () => {
    await using core = await begin();
    const { id } = await core.batches.submit({ operation: mixed.name, items: numbers(60) });
    while ((await core.runner.runNext(id)) === "ran");
    for (const { outcome, code, count, message } of await core.batches.failures(id)) {
      const { items } = await core.batches.items(id, { outcome, code });
      expect(items.map((item) => item.message)).toContain(message);
      expect(items).toHaveLength(count);
    }
    await expect(core.batches.failures(id + 1)).rejects.toMatchObject({ code: "unknown_batch" });
  });

  test("include the items of a batch ended early", async () => {
    await using core = await begin();
    const stopRule = { maxFailureRate: 0.1, after: 5 };
    const { id } = await core.batches.submit({ operation: mixed.name, items: numbers(60), stopRule });
    while ((await core.runner.runNext(id)) === "ran");
    expect(await core.batches.get(id)).toMatchObject({ status: "failed" });
    expect((await core.sums(id))["failed not_run"]).toBe(50);
    expect(await core.sums(id)).toEqual(await core.count(id));
  });

  test("page the items of a code", async () => {
    await using core = await begin();
    const { id } = await core.batches.submit({ operation: mixed.name, items: numbers(400) });
    while ((await core.runner.runNext(id)) === "ran");
    const all: unknown[] = [];
    for await (const each of core.batches.everyItem(id)) all.push(each);
    for (const query of [{ code: "code_3" }, { outcome: "failed" as const, code: "code_3" }, { code: "none" }]) {
      const paged: unknown[] = [];
      for (let cursor: string | undefined; ; ) {
        const { items, next } = await core.batches.items(id, { ...query, cursor, limit: 7 });
        paged.push(...items);
        if (next === null) break;
        cursor = next;
      }
      expect(paged).toEqual(
        all.filter((each) =>
          Object.entries(query).every(([name, value]) => (each as Record<string, unknown>)[name] === value),
        ),
      );
    }
  });

  test("are in the reply of a batch, not in lists", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [mixed] });
    const made = await api.post({ operation: mixed.name, items: [0, 1, 4, 7] });
    expect((await api.call("/v1/batches/1")).body.failures).toEqual([
      { outcome: "failed", code: "code_1", count: 1, message: "1" },
      { outcome: "failed", code: "code_4", count: 1, message: "4" },
    ]);
    expect(made.body).not.toHaveProperty("failures");
    expect((await api.call("/v1/batches")).body.batches[0]).not.toHaveProperty("failures");
    const items = (await api.call("/v1/batches/1/items?code=code_4")).body.items;
    expect(items.map(({ item }: { item: number }) => item)).toEqual([4]);
    expect((await api.call("/v1/batches/1/items?code=")).status).toBe(422);
  });
});
