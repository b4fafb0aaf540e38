import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { VendorError } from "../client/vendor-error.ts";
import { NotNow } from "../errors/errors.ts";
import { defineOperation, type Outcome } from "../operation/operation.ts";
import { createQuickTime } from "../testing/faulty-vendor.ts";
import { createTestHost } from "../testing/test-host.ts";
import { until } from "../testing/until.ts";

const page = fileURLToPath(new URL("../../../../docs/contributing/add-a-vendor.md", import.meta.url));

/** The three patterns, by the heading of their column. */
const patterns = {
  "effects in the ledger": { effects: "ledger", repeatable: true },
  "elsewhere, repeatable": { effects: "elsewhere", repeatable: true },
  "elsewhere, not repeatable": { effects: "elsewhere", repeatable: false },
} as const;
type Pattern = keyof typeof patterns;

const throwing = (error: () => Error) => (): Outcome[] => {
  throw error();
};
const coded = (message: string, code: string) => Object.assign(new Error(message), { code });

/** What `apply` does, by the first cell of its row. */
const rows: Record<string, (items: number[], now: number) => Outcome[]> = {
  "returns `failed` with the code `no`": (items) =>
    items.map((key) => ({ key, outcome: "failed", code: "no", message: "no" })),
  "returns no outcome for an item": () => [],
  "returns two outcomes for an item": (items) => [...items, ...items].map((key) => ({ key, outcome: "done" })),
  "throws a `VendorError` that is `rejected`": throwing(() => new VendorError("rejected", "no")),
  "throws a `VendorError` that is `rate_limited` or `unavailable`": throwing(
    () => new VendorError("unavailable", "down"),
  ),
  "throws a `VendorError` that is `unknown_outcome` or `bad_reply`": throwing(
    () => new VendorError("unknown_outcome", "lost"),
  ),
  "throws a `VendorError` that is `circuit_open`": throwing(
    () => new VendorError("circuit_open", "open", { retryAfterMs: 3_600_000 }),
  ),
  "throws a lost connection, a deadlock or a busy database": throwing(() => coded("reset", "ECONNRESET")),
  "throws a database that is full or read-only": throwing(() => coded("disk full", "53100")),
  "throws `NotNow`": (_, now) => {
    throw new NotNow(now + 3_600_000);
  },
  "throws any other error": throwing(() => new Error("a fault")),
};

/** Runs a batch of two items and describes what became of them, as a cell of the table does. */
async function describeEnd(pattern: Pattern, apply: (typeof rows)[string]): Promise<string> {
  let calls = 0;
  await using host = await createTestHost(createQuickTime());
  host.register(
    defineOperation<number, unknown>({
      name: "test.rows.touch",
      label: "row/touch",
      item: z.int(),
      params: z.unknown(),
      key: (id) => id,
      chunkSize: 10,
      ...patterns[pattern],
      async apply({ items }) {
        calls++;
        return apply(items, host.clock.now());
      },
    }),
  );
  const { id } = await host.batches.submit({ operation: "test.rows.touch", items: [1, 2], inline: false });
  await until(async () => {
    const { status, waitingFor, nextAllowedAt } = await host.batches.get(id);
    return (
      ["completed", "failed", "stopped"].includes(status) ||
      waitingFor !== null ||
      (nextAllowedAt ?? 0) > host.clock.now() + 600_000
    );
  });
  const { status, waitingFor } = await host.batches.get(id);
  if (status === "pending" || status === "in_progress")
    return `the batch waits${waitingFor === null ? "" : ` for \`${waitingFor}\``}`;
  const [item] = (await host.batches.items(id)).items;
  return `\`${item?.outcome}\`, \`${item?.code}\`, ${calls} ${calls === 1 ? "call" : "calls"}`;
}

/** The cells of the table by row and column. */
function readTable(): Record<string, Record<string, string>> {
  const text = readFileSync(page, "utf8");
  const lines = text.slice(text.indexOf("| `apply` |")).split("\n\n")[0]?.split("\n") ?? [];
  const [head = [], , ...body] = lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return Object.fromEntries(
    body.map(([name = "", ...cells]) => [
      name,
      Object.fromEntries(cells.map((cell, index) => [head[index + 1], cell])),
    ]),
  );
}

describe("the table of what apply throws, in add-a-vendor.md", () => {
  const table = readTable();

  test("has every row", () => {
    expect(Object.keys(table)).toEqual(Object.keys(rows));
  });

  const cells = Object.entries(rows).flatMap(([row, apply]) =>
    (Object.keys(patterns) as Pattern[]).map((pattern) => ({ row, pattern, apply })),
  );
  test.each(cells)("holds if apply $row, $pattern", async ({ row, pattern, apply }) => {
    expect([row, pattern, await describeEnd(pattern, apply)]).toEqual([row, pattern, table[row]?.[pattern]]);
  });
});
