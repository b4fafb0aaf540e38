import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { VendorError, type VendorErrorKind } from "../client/vendor-error.ts";
import { DeferUntil } from "../errors/errors.ts";
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

type Apply = (items: number[], now: number) => Outcome[];

const throwing =
  (makeError: (now: number) => Error): Apply =>
  (_, now) => {
    throw makeError(now);
  };
const rejected = (kind: VendorErrorKind) =>
  throwing(() => new VendorError(kind, "no", kind === "circuit_open" ? { retryAfterMs: 3_600_000 } : {}));
const coded = (code: string, errcode?: number) => throwing(() => Object.assign(new Error("no"), { code, errcode }));

/** The behaviours of `apply`, by the first cell of their row. */
const rows: Record<string, Apply[]> = {
  "returns `failed` with the code `no`": [
    (items) => items.map((key) => ({ key, outcome: "failed", code: "no", message: "no" })),
  ],
  "returns no outcome for an item": [() => []],
  "returns two outcomes for an item": [(items) => [...items, ...items].map((key) => ({ key, outcome: "done" }))],
  "throws a `VendorError` that is `rejected`": [rejected("rejected")],
  "throws a `VendorError` that is `rate_limited` or `unavailable`": [rejected("rate_limited"), rejected("unavailable")],
  "throws a `VendorError` that is `unknown_outcome` or `bad_reply`": [
    rejected("unknown_outcome"),
    rejected("bad_reply"),
  ],
  "throws a `VendorError` that is `circuit_open`": [rejected("circuit_open")],
  "throws a lost connection, a deadlock or a busy database": [
    coded("ECONNRESET"),
    coded("40P01"),
    coded("ERR_SQLITE_ERROR", 5),
  ],
  "throws a database that is full or read-only": [coded("53100"), coded("25006")],
  "throws `DeferUntil`": [throwing((now) => new DeferUntil(now + 3_600_000))],
  "throws any other error": [throwing(() => new TypeError("x is undefined"))],
};

/** Runs a batch of two items and describes its end in the words of a table cell. */
async function describeEnd(pattern: Pattern, apply: Apply, inline = false): Promise<string> {
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
  const { id } = await host.batches.submit({ operation: "test.rows.touch", items: [1, 2], inline });
  // Status and reason come from one read, because a batch that waits may go on at any moment.
  const { status, waitingFor } = await until(async () => {
    const batch = await host.batches.get(id);
    const isSettled =
      ["completed", "failed", "stopped"].includes(batch.status) ||
      (batch.waitingFor !== null && batch.waitingFor !== "backoff") ||
      (batch.nextAllowedAt ?? 0) > host.clock.now() + 600_000;
    return isSettled && batch;
  });
  if (status === "pending" || status === "in_progress")
    return `the batch waits${waitingFor === null ? "" : ` for \`${waitingFor}\``}`;
  const [item] = (await host.batches.items(id)).items;
  return `\`${item?.outcome}\`, \`${item?.code}\`, ${calls} ${calls === 1 ? "call" : "calls"}`;
}

/** Returns the cells of the table by row and column. */
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

describe("table of apply results in add-a-vendor.md", () => {
  const table = readTable();

  test("contains every row", () => {
    expect(Object.keys(table)).toEqual(Object.keys(rows));
  });

  const cells = Object.entries(rows).flatMap(([row, applies]) =>
    (Object.keys(patterns) as Pattern[]).map((pattern) => ({ row, pattern, applies })),
  );
  test.each(cells)("holds if apply $row, $pattern", async ({ row, pattern, applies }) => {
    for (const apply of applies) {
      expect([row, pattern, await describeEnd(pattern, apply)]).toEqual([row, pattern, table[row]?.[pattern]]);
    }
  });

  test("stores no batch if a caller waits for ledger effects", async () => {
    await expect(describeEnd("effects in the ledger", rejected("unavailable"), true)).rejects.toThrow("no");
  });

  test("makes one attempt if a caller waits for external effects", async () => {
    const end = await describeEnd("elsewhere, repeatable", rejected("unavailable"), true);
    expect(end).toBe("`failed`, `unavailable`, 1 call");
  });
});
