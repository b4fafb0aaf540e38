import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { pack } from "../batch/chunk-codec.ts";
import { type ChunkResult, toChunkResult, uniformChunkResult } from "../batch/chunk-result.ts";
import { openDatabase } from "../database/open-database.ts";
import { type LedgerUnderTest, ledgerContract } from "../testing/ledger-contract.ts";
import { createStatusChanges } from "./batch-status.ts";
import type { Ledger, NewChunk } from "./ledger.ts";
import { createSqlLedger } from "./sql-ledger.ts";
import { createStoreSums } from "./store-sums.ts";

async function withLedger(url: string, work: (subject: LedgerUnderTest) => Promise<void>): Promise<void> {
  const database = openDatabase(url);
  try {
    await work({ ledger: await createSqlLedger(database), database });
  } finally {
    await database.close();
  }
}

describe.each(ledgerDatabases)("ledger on $name", ({ open }) => {
  test.each(Object.entries(ledgerContract))("%s", async (_, prove) => {
    await using database = await open();
    await withLedger(database.url, prove);
  });

  test("starts no retry before the sums are stored", async () => {
    await using file = await open();
    await withLedger(file.url, async ({ ledger, database }) => {
      const elsewhere = openDatabase(file.url);
      const other = await createSqlLedger(elsewhere);
      const id = await ledger.accept(
        { operation: "o", label: "l", target: "local", account: "a", params: {}, actor: null, total: 1, duplicates: 0 },
        [{ packed: pack([1]) }],
        0,
      );
      const finish = (generation: number, result: ChunkResult) =>
        database.transaction((transaction) =>
          ledger.finishChunk({ batchId: id, generation, seq: 0 }, result, 5, { transaction }),
        );
      await finish(0, uniformChunkResult(1, "failed", "unlucky", "not this time"));
      let retry: Promise<number> | undefined;
      const get: Ledger["get"] = (...args) => {
        retry ??= other.retry(id, 7);
        return ledger.get(...args);
      };
      const { recordEvent } = ledger;
      await createStatusChanges(database, { recordEvent, storeSums: createStoreSums({ get }) }).closeBatch(id, 6);
      expect(await retry).toBe(1);
      expect(await other.get(id)).toMatchObject({ status: "in_progress", counts: { done: 0, failed: 0 } });
      await finish(1, toChunkResult([1], [{ key: 1, outcome: "done" }]));
      await other.closeBatch(id, 8);
      expect(await other.get(id)).toMatchObject({ status: "completed", counts: { done: 1, failed: 0 } });
      expect(await other.codes(id)).toEqual([]);
      await elsewhere.close();
    });
  });

  test("stores the sums of a finished batch, or recomputes missing sums", async () => {
    await using database = await open();
    await withLedger(database.url, async ({ ledger, database }) => {
      const chunks = [[1, 2], [3]].map((items) => ({ packed: pack(items) }));
      const id = await ledger.accept(
        { operation: "o", label: "l", target: "local", account: "a", params: {}, actor: null, total: 3, duplicates: 0 },
        chunks,
        0,
      );
      for (const [seq, settlement] of [
        toChunkResult(
          [1, 2],
          [1, 2].map((key) => ({ key, outcome: "done" })),
        ),
        uniformChunkResult(1, "skipped", "same", "as it was"),
      ].entries()) {
        const tallied = { ...settlement, tally: { moved: seq + 1 } };
        await database.transaction((transaction) =>
          ledger.finishChunk({ batchId: id, generation: 0, seq }, tallied, 5, { transaction }),
        );
      }
      const stored = async () => {
        const { rows } = await sql<{ done: number | null }>`select done, skipped, failed, unknown, tally, codes
          from reinstate_batches where id = ${id}`.execute(database.tables());
        return rows[0];
      };
      expect((await stored())?.done).toBeNull();
      await ledger.closeBatch(id, 6);
      const codes = '[["skipped","same",1,"as it was"]]';
      expect(await stored()).toEqual({ done: 2, skipped: 1, failed: 0, unknown: 0, tally: '{"moved":3}', codes });
      const closed = await ledger.get(id);
      const failures = await ledger.codes(id);
      await sql`update reinstate_batches set done = null, tally = null, codes = null where id = ${id}`.execute(
        database.tables(),
      );
      expect(await ledger.get(id)).toEqual(closed);
      expect(await ledger.codes(id)).toEqual(failures);
      expect(failures).toEqual([{ outcome: "skipped", code: "same", count: 1, message: "as it was" }]);
      expect(closed).toMatchObject({ counts: { done: 2, skipped: 1 }, tally: { moved: 3 } });
    });
  });

  test("can be opened by four processes at once", async () => {
    await using database = await open();
    const databases = Array.from({ length: 4 }, () => openDatabase(database.url));
    try {
      const ledgers = await Promise.all(databases.map((database) => createSqlLedger(database)));
      expect(await Promise.all(ledgers.map((ledger) => ledger.open()))).toEqual([[], [], [], []]);
    } finally {
      await Promise.all(databases.map((database) => database.close()));
    }
  });
});

async function all(chunks: Iterable<NewChunk> | AsyncIterable<NewChunk>): Promise<NewChunk[]> {
  const list: NewChunk[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return list;
}

// Each of these ledgers breaks one guarantee of the contract.
const broken: [string, (ledger: Ledger) => Partial<Ledger>][] = [
  [
    "loses a chunk",
    (ledger) => ({ accept: async (b, chunks, ...rest) => ledger.accept(b, (await all(chunks)).slice(0, -1), ...rest) }),
  ],
  [
    "stores half a batch",
    (ledger) => ({
      async accept(batch, chunks, ...rest) {
        const stored: NewChunk[] = [];
        try {
          for await (const chunk of chunks) stored.push(chunk);
        } finally {
          await ledger.accept(batch, stored, ...rest);
        }
        throw new Error("the upload broke off");
      },
    }),
  ],
  [
    "ignores leases",
    (ledger) => ({ claim: (id, worker, _, until, admit) => ledger.claim(id, worker, 1e12, until, admit) }),
  ],
  [
    "renews the leases of all workers",
    (ledger) => ({
      renew: async (_, until) => (await Promise.all(["a", "b"].map((w) => ledger.renew(w, until)))).includes(true),
    }),
  ],
  [
    "reports every chunk as finished",
    (ledger) => ({ finishChunk: async (...args) => (await ledger.finishChunk(...args)) || true }),
  ],
  ["loses the error", () => ({ recordError: async () => {} })],
  ["does not wait", (ledger) => ({ release: (chunk, _, by, how) => ledger.release(chunk, 0, by, how) })],
  [
    "counts a wait as an attempt",
    (ledger) => ({ release: (chunk, at, by, how) => ledger.release(chunk, at, by, { ...how, counted: true }) }),
  ],
  ["shows other accounts", (ledger) => ({ list: ({ account: _, ...filter }) => ledger.list(filter) })],
  ["closes nothing", () => ({ closeBatch: async () => false })],
  ["moves always", (ledger) => ({ move: async (...args) => (await ledger.move(...args)) || true })],
  [
    "dispatches stopped batches",
    (ledger) => ({ move: async (id, to, ...rest) => to === "stopped" || ledger.move(id, to, ...rest) }),
  ],
  ["ignores limits", () => ({ admit: async () => undefined })],
  [
    "shares limits between accounts",
    (ledger) => ({
      admit: (operation, { account: _, ...limits }, ...rest) => ledger.admit(operation, limits, ...rest),
    }),
  ],
  ["retries without an end", (ledger) => ({ retry: async (...args) => (await ledger.retry(...args)) || 1 })],
  ["retries every code", (ledger) => ({ retry: (id, now, { code: _, ...rest } = {}) => ledger.retry(id, now, rest) })],
  ["waits for no attempt", () => ({ nextAttempt: async () => undefined })],
  ["forgets events", () => ({ recordEvent: async () => {} })],
  [
    "records changes that did not happen",
    (ledger) => ({
      async move(id, to, now, from, event) {
        await ledger.move(id, to, now, from, event);
        return true;
      },
    }),
  ],
  ["accepts a key twice", () => ({ insertIdempotencyKey: async () => undefined })],
];

test.each(broken)("contract catches a ledger that %s", async (_, change) => {
  const caught: string[] = [];
  for (const [sentence, prove] of Object.entries(ledgerContract)) {
    await withLedger("sqlite::memory:", async ({ ledger, database }) => {
      await prove({ ledger: { ...ledger, ...change(ledger) }, database }).catch(() => caught.push(sentence));
    });
  }
  expect(caught).not.toEqual([]);
});
