import assert from "node:assert/strict";
import type { Batch } from "../batch/batch.ts";
import { pack, unpack } from "../batch/chunk-codec.ts";
import { toChunkResult, uniformChunkResult } from "../batch/chunk-result.ts";
import type { ClaimedChunk, Ledger, NewChunk } from "../ledger/ledger.ts";
import { outcomeWords } from "../operation/operation.ts";
import { historyContract } from "./history-contract.ts";
import { batch, chunks, claim, done, finishNext, type LedgerUnderTest, readItems } from "./ledger-steps.ts";

export type { LedgerUnderTest } from "./ledger-steps.ts";

/**
 * The guarantees of every ledger, by name. Each check gets an empty ledger and throws if its guarantee is broken.
 */
export const ledgerContract: Record<string, (subject: LedgerUnderTest) => Promise<void>> = {
  ...historyContract,
  async "stores an accepted batch with all its items"({ ledger }) {
    const id = await ledger.accept(batch(), chunks([5, 1], [9, 7]), 1000);
    const stored = await ledger.get(id);
    assert.deepEqual(stored, {
      id,
      operation: "test.rows.touch",
      label: "row/touch",
      target: "local",
      account: "acc",
      actor: "me",
      params: { deep: [1] },
      status: "pending",
      total: 4,
      duplicates: 1,
      generation: 0,
      error: null,
      tally: {},
      dryRun: false,
      fromBatch: null,
      undoOf: null,
      nextAllowedAt: null,
      waitingFor: null,
      counts: { done: 0, skipped: 0, failed: 0, unknown: 0 },
      progress: 0,
      createdAt: 1000,
      updatedAt: 1000,
      startedAt: null,
      finishedAt: null,
    });
    const contents = await ledger.readChunks(id, { limit: 10 });
    assert.deepEqual(
      contents.map((chunk) => unpack(chunk.codec, chunk.packed)),
      [
        [1, 5],
        [7, 9],
      ],
    );
    assert.deepEqual(await ledger.open(), [id]);
  },

  async "completes or rolls back a batch run while accepted"({ ledger }) {
    const seen: unknown[] = [];
    const workOff = async (chunk: ClaimedChunk) => {
      seen.push([chunk.batchId, chunk.seq, unpack(chunk.codec, chunk.packed)]);
      return toChunkResult(unpack(chunk.codec, chunk.packed) as number[], [{ key: 7, outcome: "done" }]);
    };
    const id = await ledger.accept(batch({ total: 2 }), chunks([9, 7]), 1000, { mode: "within", settle: workOff });
    assert.deepEqual(seen, [[id, 0, [7, 9]]]);
    const stored = await ledger.get(id);
    assert.deepEqual(stored?.counts, { done: 1, skipped: 0, failed: 1, unknown: 0 });
    assert.deepEqual([stored?.status, stored?.startedAt, stored?.finishedAt], ["completed", 1000, 1000]);
    assert.deepEqual(await ledger.open(), []);
    const [content] = await ledger.readChunks(id, { limit: 10 });
    assert.deepEqual(
      content?.overrides.map(({ position, outcome }) => [position, outcome]),
      [[1, "failed"]],
    );
    const fails = async () => Promise.reject(new Error("it broke"));
    await assert.rejects(ledger.accept(batch(), chunks([1]), 0, { mode: "within", settle: fails }), /it broke/);
    assert.deepEqual(
      (await ledger.list({ limit: 10 })).map((batch) => batch.id),
      [id],
    );
  },

  async "stores nothing if the items break off"({ ledger }) {
    function* broken(): Generator<NewChunk> {
      yield* chunks([1, 2]);
      throw new Error("the upload broke off");
    }
    await assert.rejects(ledger.accept(batch(), broken(), 0), /broke off/);
    assert.deepEqual(await ledger.open(), []);
    assert.deepEqual(await ledger.list({ limit: 10 }), []);
  },

  async "stores many chunks in order"({ ledger }) {
    const many = Array.from({ length: 1201 }, (_, index) => [index]);
    const id = await ledger.accept(batch({ total: 1201 }), chunks(...many), 0);
    const contents = await ledger.readChunks(id, { limit: 2000 });
    assert.deepEqual(
      contents.map((chunk) => unpack(chunk.codec, chunk.packed)),
      many,
    );
  },

  async "gives a claimed chunk away only after its lease"({ ledger }) {
    const id = await ledger.accept(batch(), chunks([1, 2], [3, 4]), 0);
    const [a, b] = await Promise.all([claim(ledger, id, "a", 10, 100), claim(ledger, id, "b", 10, 100)]);
    assert.deepEqual([a?.seq, b?.seq].sort(), [0, 1]);
    assert.equal(a?.attempt, 1);
    assert.equal(a?.interrupted, false);
    assert.equal(await claim(ledger, id, "c", 100, 200), undefined);
    const again = await claim(ledger, id, "c", 101, 200);
    assert.equal(again?.interrupted, true);
    assert.equal(again?.attempt, 2);
  },

  async "renews only the worker's own lease"({ ledger }) {
    const id = await ledger.accept(batch(), chunks([1, 2], [3, 4]), 0);
    await claim(ledger, id, "a", 10, 100);
    await claim(ledger, id, "b", 10, 100);
    await ledger.renew("a", 500);
    const taken = await claim(ledger, id, "c", 101, 600);
    assert.equal(taken?.seq, 1);
    assert.equal(await claim(ledger, id, "c", 101, 600), undefined);
  },

  async "rejects the result of a worker without the lease"({ ledger }) {
    const id = await ledger.accept(batch({ total: 2 }), chunks([1, 2]), 0);
    const slow = await claim(ledger, id, "slow", 10, 100);
    const quick = await claim(ledger, id, "quick", 101, 200);
    assert.ok(slow && quick);
    const late = uniformChunkResult(2, "failed", "late", "too late");
    assert.equal(await ledger.finishChunk(slow, late, 150, { worker: "slow" }), false);
    assert.equal(await ledger.finishChunk(quick, done([1, 2]), 150, { worker: "quick" }), true);
    assert.deepEqual((await ledger.get(id))?.counts, { done: 2, skipped: 0, failed: 0, unknown: 0 });
  },

  async "finishes a chunk once"({ ledger, database }) {
    const id = await ledger.accept(batch({ total: 2 }), chunks([1, 2]), 0);
    const finish = () =>
      database.transaction((transaction) =>
        ledger.finishChunk({ batchId: id, generation: 0, seq: 0 }, done([1, 2]), 5, { transaction }),
      );
    assert.equal(await finish(), true);
    assert.equal(await finish(), false);
    assert.equal((await ledger.get(id))?.counts.done, 2);
  },

  async "unlocks a chunk with its transaction"({ ledger, database }) {
    const id = await ledger.accept(batch({ total: 2 }), chunks([1, 2]), 0);
    const undone = database.transaction(async (transaction) => {
      const chunk = await ledger.lockNext(id, 10, transaction);
      assert.ok(chunk);
      await ledger.finishChunk(chunk, done([1, 2]), 10, { transaction });
      throw new Error("undo");
    });
    await assert.rejects(undone, /undo/);
    assert.equal((await ledger.get(id))?.counts.done, 0);
    const again = await database.transaction((transaction) => ledger.lockNext(id, 10, transaction));
    assert.equal(again?.attempt, 1);
    assert.deepEqual(unpack(again?.codec ?? "json", again?.packed ?? new Uint8Array()), [1, 2]);
  },

  async "delays a released chunk and counts its attempts"({ ledger, database }) {
    const id = await ledger.accept(batch({ total: 2 }), chunks([1, 2]), 0);
    const hold = (now: number) => database.transaction((transaction) => ledger.lockNext(id, now, transaction));
    const first = await hold(10);
    assert.ok(first);
    await ledger.release(first, 50, { held: true }, { counted: true });
    assert.equal(await hold(49), undefined);
    assert.equal((await hold(50))?.attempt, 2);

    const claimed = await claim(ledger, id, "a", 60, 100);
    assert.equal(claimed?.attempt, 2);
    assert.ok(claimed);
    await ledger.release(claimed, 70, { worker: "a" }, { counted: true });
    assert.equal(await claim(ledger, id, "a", 69, 100), undefined);
    const third = await claim(ledger, id, "a", 70, 100);
    assert.equal(third?.attempt, 3);
    assert.equal(third?.interrupted, false);
  },

  async "claims the chunks of a batch while accepting it"({ ledger }) {
    const mine: ClaimedChunk[] = [];
    const leased = { mode: "leased", worker: "me", leaseUntil: 100 } as const;
    const id = await ledger.accept(batch({ total: 3 }), chunks([1, 2], [3]), 0, {
      ...leased,
      take: (chunk) => void mine.push(chunk),
    });
    assert.deepEqual(
      mine.map(({ packed, codec, ...chunk }) => ({ ...chunk, items: unpack(codec, packed) })),
      [
        { batchId: id, generation: 0, seq: 0, count: 2, attempt: 1, interrupted: false, items: [1, 2] },
        { batchId: id, generation: 0, seq: 1, count: 1, attempt: 1, interrupted: false, items: [3] },
      ],
    );
    assert.equal(await claim(ledger, id, "other", 50, 200), undefined);
    assert.equal((await claim(ledger, id, "other", 101, 200))?.interrupted, true);
  },

  async "counts ready chunks of open batches up to a limit"({ ledger }) {
    const first = await ledger.accept(batch({ total: 3 }), chunks([1], [2], [3]), 0);
    const second = await ledger.accept(batch({ total: 1 }), chunks([4]), 0);
    const third = await ledger.accept(batch({ total: 1 }), chunks([5]), 0);
    await ledger.move(third, "stopped", 5);
    await claim(ledger, first, "a", 10, 100);
    const claimed = await claim(ledger, second, "a", 10, 100);
    assert.ok(claimed);
    await ledger.release(claimed, 300, { worker: "a" }, { counted: false });
    const ready = async (limit: number, now: number) =>
      (await ledger.ready(limit, now)).map(({ id, chunks }) => [id, chunks]);
    assert.deepEqual(
      (await ledger.ready(9, 20)).map(({ operation, target }) => `${operation} ${target}`),
      ["test.rows.touch local", "test.rows.touch local"],
    );
    assert.deepEqual(await ready(9, 20), [
      [first, 2],
      [second, 0],
    ]);
    assert.deepEqual(await ready(9, 101), [
      [first, 3],
      [second, 0],
    ]);
    assert.deepEqual(await ready(2, 300), [
      [first, 2],
      [second, 1],
    ]);
  },

  async "closes a batch after its last chunk"({ ledger, database }) {
    const id = await ledger.accept(batch(), chunks([1, 2], [3, 4]), 0);
    const finishNext = (keys: number[]) =>
      database.transaction(async (transaction) => {
        const chunk = await ledger.lockNext(id, 10, transaction);
        assert.ok(chunk);
        await ledger.finishChunk(chunk, done(keys), 20, { transaction });
      });
    await finishNext([1, 2]);
    assert.equal(await ledger.closeBatch(id, 30), false);
    await finishNext([3, 4]);
    assert.equal(await ledger.closeBatch(id, 30), true);
    assert.equal(await ledger.closeBatch(id, 40), false);
    const closed = await ledger.get(id);
    assert.equal(closed?.status, "completed");
    assert.equal(closed?.finishedAt, 30);
    assert.equal(closed?.progress, 100);
    assert.deepEqual(await ledger.open(), []);
  },

  async "closes a batch with an error as failed"({ ledger, database }) {
    const id = await ledger.accept(batch({ total: 2 }), chunks([1, 2]), 0);
    await database.transaction((transaction) =>
      ledger.finishChunk(
        { batchId: id, generation: 0, seq: 0 },
        uniformChunkResult(2, "failed", "retries_exhausted", "no"),
        5,
        {
          transaction,
        },
      ),
    );
    await ledger.recordError(id, "the database is gone");
    assert.equal(await ledger.closeBatch(id, 30), true);
    const closed = await ledger.get(id);
    assert.equal(closed?.status, "failed");
    assert.equal(closed?.error, "the database is gone");
  },

  async "allows only the status changes of the state machine"({ ledger }) {
    const id = await ledger.accept(batch(), chunks([1, 2], [3, 4]), 0);
    assert.equal(await ledger.move(id, "in_progress", 10), true);
    assert.equal(await ledger.move(id, "in_progress", 11), false);
    assert.equal(await ledger.move(id, "stopped", 20), true);
    assert.equal(await ledger.move(id, "completed", 30), false);
    assert.equal(await ledger.move(id, "in_progress", 40), true);
    assert.equal((await ledger.get(id))?.startedAt, 10);
  },

  async "returns the sums over chunks as counts and tallies"({ ledger, database }) {
    const refused = {
      packed: pack([null], "json"),
      refused: uniformChunkResult(1, "failed", "invalid_item", "null is no id"),
    };
    const id = await ledger.accept(batch({ total: 5 }), [...chunks([1, 2], [3, 4]), refused], 0);
    for (const [seq, key] of [
      [0, 1],
      [1, 3],
    ] as const) {
      const settlement = toChunkResult(
        [key, key + 1],
        [
          { key, outcome: "done" },
          { key: key + 1, outcome: "skipped", code: "same" },
        ],
        { inserted: key },
      );
      await database.transaction((transaction) =>
        ledger.finishChunk({ batchId: id, generation: 0, seq }, settlement, 7, { transaction }),
      );
    }
    const stored = await ledger.get(id);
    assert.deepEqual(stored?.counts, { done: 2, skipped: 2, failed: 1, unknown: 0 });
    assert.deepEqual(stored?.tally, { inserted: 4 });
    assert.equal(stored?.updatedAt, 7);
    const skipped = await ledger.readChunks(id, { outcome: "skipped", limit: 10 });
    assert.deepEqual(
      skipped.map(({ seq, commonOutcome: rest, overrides: exceptions }) => [seq, rest?.outcome, exceptions]),
      [0, 1].map((seq) => [seq, "done", [{ position: 1, outcome: "skipped", code: "same", message: null }]]),
    );
    const later = await ledger.readChunks(id, { outcome: "skipped", after: { generation: 0, seq: 0 }, limit: 10 });
    assert.deepEqual(
      later.map(({ seq }) => seq),
      [1],
    );
    const failed = await ledger.readChunks(id, { outcome: "failed", limit: 10 });
    assert.deepEqual(
      failed.map(({ codec, packed, commonOutcome: rest }) => [unpack(codec, packed), rest?.code]),
      [[[null], "invalid_item"]],
    );
  },

  async "reads batches run while accepted like all others"({ ledger, database }) {
    const settlement = toChunkResult(
      [1, 2, 3, 4],
      [
        { key: 1, outcome: "done" },
        { key: 2, outcome: "failed", code: "not_yet", message: "two is early" },
        { key: 3, outcome: "skipped", code: "same" },
        { key: 4, outcome: "done" },
      ],
      { inserted: 2 },
    );
    const given = batch({ total: 4 });
    const atOnce = await ledger.accept(given, chunks([1, 2, 3, 4]), 7, {
      mode: "within",
      settle: async () => settlement,
    });
    const later = await ledger.accept(given, chunks([1, 2, 3, 4]), 7);
    await ledger.move(later, "in_progress", 7);
    await database.transaction((transaction) =>
      ledger.finishChunk({ batchId: later, generation: 0, seq: 0 }, settlement, 7, { transaction }),
    );
    await ledger.closeBatch(later, 7);
    const read = async (id: number) => {
      const contents = (options: Partial<Parameters<Ledger["readChunks"]>[1]>) =>
        ledger
          .readChunks(id, { limit: 10, ...options })
          .then((chunks) => chunks.map(({ batchId: _, ...rest }) => rest));
      const { id: _, ...rest } = (await ledger.get(id)) as Batch;
      const { id: __, ...listed } = (await ledger.list({ limit: 10 })).find((one) => one.id === id) as Batch;
      assert.deepEqual(listed, rest);
      const first = { after: { generation: 0, seq: -1 } };
      return [
        rest,
        await contents(first),
        await contents({ after: { generation: 0, seq: 0 } }),
        ...(await Promise.all(outcomeWords.map((outcome) => contents({ ...first, outcome })))),
      ];
    };
    assert.deepEqual(await read(atOnce), await read(later));
    assert.equal((await ledger.readChunks(atOnce, { limit: 10 })).length, 1);
    for (const id of [atOnce, later]) {
      assert.equal(await ledger.retry(id, 9), 1);
      const again = await database.transaction((transaction) => ledger.lockNext(id, 10, transaction));
      assert.deepEqual(unpack(again?.codec ?? "json", again?.packed ?? new Uint8Array()), [2]);
    }
    assert.deepEqual(await read(atOnce), await read(later));
  },

  async "lists batches newest first, by account"({ ledger }) {
    const ids: number[] = [];
    for (const [account, operation] of [
      ["a", "one.rows.touch"],
      ["b", "one.rows.touch"],
      ["a", "two.rows.touch"],
      ["a", "one.rows.wipe"],
    ] as const) {
      ids.push(await ledger.accept(batch({ account, operation }), chunks([1, 2], [3, 4]), 0));
    }
    const listed = async (filter: Parameters<Ledger["list"]>[0]) =>
      (await ledger.list(filter)).map(({ id }) => ids.indexOf(id));
    assert.deepEqual(await listed({ limit: 10 }), [3, 2, 1, 0]);
    assert.deepEqual(await listed({ limit: 2, offset: 1 }), [2, 1]);
    assert.deepEqual(await listed({ limit: 10, account: "a" }), [3, 2, 0]);
    assert.deepEqual(await listed({ limit: 10, account: "a", operationPrefix: "one." }), [3, 0]);
    assert.deepEqual(await listed({ limit: 10, before: ids[2] as number }), [1, 0]);
    assert.deepEqual(await listed({ limit: 10, before: ids[2] as number, after: ids[0] as number }), [1]);
    await ledger.move(ids[1] as number, "in_progress", 5);
    assert.deepEqual(await listed({ limit: 10, statuses: ["in_progress"] }), [1]);
    assert.deepEqual(await listed({ limit: 10, statuses: ["pending", "stopped"] }), [3, 2, 0]);
  },

  async "finds the batches of an account among many"({ ledger }) {
    const ids: Record<string, number[]> = { often: [], rarely: [] };
    for (let index = 0; index < 300; index++) {
      const account = index % 100 === 42 ? "rarely" : "often";
      ids[account]?.push(await ledger.accept(batch({ account }), chunks([1, 2]), 0));
    }
    for (const [account, accepted] of Object.entries(ids)) {
      const newest = accepted.toReversed();
      const pages: number[] = [];
      for (let before: number | undefined; ; before = pages.at(-1) as number) {
        const page = await ledger.list({ account, limit: 70, ...(before !== undefined && { before }) });
        if (page.length === 0) break;
        pages.push(...page.map(({ id }) => id));
      }
      assert.deepEqual(pages, newest);
      const [second] = await ledger.list({ account, limit: 1, offset: 1 });
      assert.equal(second?.id, newest[1]);
    }
    assert.deepEqual(await ledger.list({ account: "never", limit: 10 }), []);
  },

  async "dispatches nothing of a stopped batch and accepts results"(subject) {
    const { ledger, database } = subject;
    const id = await ledger.accept(batch({ total: 6 }), chunks([1, 2], [3, 4], [5, 6]), 0);
    const mine = await claim(ledger, id, "a", 10, 100);
    assert.ok(mine);
    assert.equal(await ledger.move(id, "stopped", 20), true);
    assert.equal(await claim(ledger, id, "b", 30, 200), undefined);
    assert.equal(await database.transaction((transaction) => ledger.lockNext(id, 30, transaction)), undefined);
    assert.equal(await ledger.finishChunk(mine, done([1, 2]), 30, { worker: "a" }), true);
    assert.deepEqual(await ledger.open(), []);
    assert.equal(await ledger.move(id, "in_progress", 40, ["stopped"]), true);
    await finishNext(subject, id, done([3, 4]));
    assert.equal((await ledger.get(id))?.counts.done, 4);
  },

  async "claims a chunk only if it is admitted"({ ledger }) {
    const id = await ledger.accept(batch({ total: 2 }), chunks([1, 2]), 0);
    assert.deepEqual(await ledger.claim(id, "a", 10, 100, async (_, items) => 50 + items), { from: 52 });
    assert.equal((await claim(ledger, id, "a", 11, 100, async () => undefined))?.attempt, 1);
  },

  async "marks a chunk with unknown effects as interrupted"({ ledger, database }) {
    const id = await ledger.accept(batch({ total: 2 }), chunks([1, 2]), 0);
    const first = await claim(ledger, id, "a", 10, 100);
    assert.ok(first);
    await ledger.release(first, 50, { worker: "a" }, { counted: true, interrupted: true });
    const ready = async (now: number) => (await ledger.ready(10, now)).map(({ chunks }) => chunks);
    assert.deepEqual([await ready(49), await ready(50)], [[0], [1]]);
    // No worker owns it meanwhile, and a transaction must not lock it as untouched.
    await database.transaction(async (transaction) => {
      const operation = { name: "test.rows.touch", target: "local" } as const;
      assert.equal(await ledger.admit(operation, { concurrency: 1 }, 1, 20, transaction), undefined);
      assert.equal(await ledger.lockNext(id, 60, transaction), undefined);
    });
    assert.equal(await claim(ledger, id, "b", 49, 200), undefined);
    const second = await claim(ledger, id, "b", 50, 200);
    assert.deepEqual([second?.interrupted, second?.attempt], [true, 2]);
  },

  async "knows the next attempt of a batch that only waits"({ ledger }) {
    const id = await ledger.accept(batch(), chunks([1, 2], [3, 4]), 0);
    for (const until of [70, 50]) {
      const chunk = await claim(ledger, id, "a", 10, 100);
      assert.ok(chunk);
      assert.equal(await ledger.nextAttempt(id), undefined);
      await ledger.release(chunk, until, { worker: "a" }, { counted: true, interrupted: until === 50 });
    }
    assert.equal(await ledger.nextAttempt(id), 50);
    await ledger.move(id, "stopped", 20);
    assert.equal(await ledger.nextAttempt(id), undefined);
  },

  async "counts no attempt for a wait"({ ledger, database }) {
    const id = await ledger.accept(batch({ total: 2 }), chunks([1, 2]), 0);
    const hold = (now: number) => database.transaction((transaction) => ledger.lockNext(id, now, transaction));
    const held = await hold(1);
    assert.ok(held);
    await ledger.release(held, 5, { held: true }, { counted: false });
    assert.equal((await hold(5))?.attempt, 1);
    const claimed = await claim(ledger, id, "a", 6, 100);
    assert.ok(claimed);
    await ledger.release(claimed, 7, { worker: "a" }, { counted: false });
    assert.equal((await claim(ledger, id, "a", 7, 100))?.attempt, 1);
  },

  async "refills tokens and serializes their callers"({ ledger, database }) {
    const admit = (now: number, cost = 1) =>
      database.transaction((transaction) =>
        ledger.admit({ name: "a.b.c", target: "local" }, { perSecond: 2, burst: 2 }, cost, now, transaction),
      );
    const first = await Promise.all([admit(1000), admit(1000), admit(1000)]);
    assert.deepEqual(
      first.filter((from) => from !== undefined),
      [1500],
    );
    assert.equal(await admit(1499), 1500);
    assert.equal(await admit(1500), undefined);
    assert.equal(await admit(3500, 2), undefined);
  },

  async "shares a bucket between limits of one name"({ ledger, database }) {
    const admit = (operation: string, name?: string) =>
      database.transaction((transaction) =>
        ledger.admit(
          { name: operation, target: "upstream" },
          { ...(name !== undefined && { name }), perSecond: 1, burst: 1 },
          ...([1, 1000, transaction] as const),
        ),
      );
    assert.equal(await admit("a.b.c", "vendor"), undefined);
    assert.equal(await admit("a.b.d", "vendor"), 2000);
    assert.equal(await admit("a.b.c"), undefined);
    assert.equal(await admit("a.b.d"), undefined);
  },

  async "counts limits per account separately"({ ledger, database }) {
    const operation = { name: "test.rows.touch", target: "local" } as const;
    const admit = (account: string, limits: { perSecond: number } | { concurrency: number }) =>
      database.transaction((transaction) => ledger.admit(operation, { ...limits, account }, 1, 1000, transaction));
    const perSecond = { perSecond: 1 };
    assert.equal(await admit("a", perSecond), undefined);
    assert.equal(await admit("a", perSecond), 2000);
    assert.equal(await admit("b", perSecond), undefined);
    const id = await ledger.accept(batch({ account: "a" }), chunks([1, 2], [3, 4]), 0);
    await claim(ledger, id, "worker", 10, 5000);
    assert.ok(((await admit("a", { concurrency: 1 })) ?? 0) > 1000);
    assert.equal(await admit("b", { concurrency: 1 }), undefined);
  },

  async "counts concurrent claims of all workers"({ ledger, database }) {
    const id = await ledger.accept(batch(), chunks([1, 2], [3, 4]), 0);
    const admit = (now: number) =>
      database.transaction((transaction) =>
        ledger.admit({ name: "test.rows.touch", target: "local" }, { concurrency: 1 }, 1, now, transaction),
      );
    assert.equal(await admit(10), undefined);
    await claim(ledger, id, "a", 10, 100);
    assert.ok(((await admit(20)) ?? 0) > 20);
    assert.equal(await admit(101), undefined);
  },

  async "stores the common outcome of a chunk once"(subject) {
    const { ledger } = subject;
    const id = await ledger.accept(batch({ total: 3 }), chunks([1, 2, 3]), 0);
    const skipped = (key: number) => ({ key, outcome: "skipped" as const, code: "live" });
    await finishNext(subject, id, toChunkResult([1, 2, 3], [skipped(1), { key: 2, outcome: "done" }, skipped(3)]));
    const [chunk] = await ledger.readChunks(id, { limit: 1 });
    assert.deepEqual(chunk?.commonOutcome, { outcome: "skipped", code: "live", message: null });
    assert.deepEqual(chunk?.overrides, [{ position: 1, outcome: "done", code: null, message: null }]);
    assert.deepEqual((await ledger.get(id))?.counts, { done: 1, skipped: 2, failed: 0, unknown: 0 });
  },

  async "retries failed items as a new generation"(subject) {
    const { ledger } = subject;
    const refused = {
      packed: pack([null], "json"),
      refused: uniformChunkResult(1, "failed", "invalid_item", "null is no id"),
    };
    const id = await ledger.accept(batch({ total: 5 }), [...chunks([1, 2], [3, 4]), refused], 0);
    const failed = (key: number) => ({ key, outcome: "failed" as const, code: "no", message: `${key}` });
    assert.equal(await ledger.retry(id, 5), 0);
    await finishNext(subject, id, toChunkResult([1, 2], [{ key: 1, outcome: "done" }, failed(2)]));
    await finishNext(subject, id, toChunkResult([3, 4], [failed(3), failed(4)]));
    await ledger.closeBatch(id, 20);
    assert.equal(await ledger.retry(id, 30), 3);
    assert.equal(await ledger.retry(id, 30), 0);
    const again = await ledger.get(id);
    assert.equal(again?.status, "in_progress");
    assert.equal(again?.generation, 1);
    assert.deepEqual(again?.counts, { done: 1, skipped: 0, failed: 1, unknown: 0 });
    await finishNext(subject, id, done([2]));
    await finishNext(subject, id, toChunkResult([3, 4], [{ key: 3, outcome: "done" }, failed(4)]));
    assert.equal(await ledger.closeBatch(id, 40), true);
    assert.deepEqual((await ledger.get(id))?.counts, { done: 3, skipped: 0, failed: 2, unknown: 0 });
    assert.equal(await ledger.retry(id, 50), 1);
    assert.deepEqual(await readItems(ledger, id), [
      [0, [1, 2]],
      [0, [3, 4]],
      [0, [null]],
      [1, [2]],
      [1, [3, 4]],
      [2, [4]],
    ]);
  },

  async "retries only items that failed with a code"(subject) {
    const { ledger } = subject;
    const id = await ledger.accept(batch({ total: 5 }), chunks([1, 2, 3], [4, 5]), 0);
    const failed = (key: number, code: string) => ({ key, outcome: "failed" as const, code, message: "" });
    await finishNext(subject, id, toChunkResult([1, 2, 3], [failed(1, "a"), failed(2, "b"), failed(3, "b")]));
    await finishNext(subject, id, toChunkResult([4, 5], [failed(4, "a"), { key: 5, outcome: "done" }]));
    await ledger.closeBatch(id, 20);
    assert.equal(await ledger.retry(id, 30, { code: "c" }), 0);
    assert.equal(await ledger.retry(id, 30, { code: "b" }), 2);
    assert.deepEqual((await ledger.get(id))?.counts, { done: 1, skipped: 0, failed: 2, unknown: 0 });
    await finishNext(subject, id, toChunkResult([2, 3], [{ key: 2, outcome: "done" }, failed(3, "a")]));
    await ledger.closeBatch(id, 40);
    assert.deepEqual((await ledger.get(id))?.counts, { done: 2, skipped: 0, failed: 3, unknown: 0 });
    assert.equal(await ledger.retry(id, 50, { code: "b" }), 0);
    assert.equal(await ledger.retry(id, 50, { code: "a" }), 3);
    for (const keys of [[1], [4], [3]]) await finishNext(subject, id, done(keys));
    await ledger.closeBatch(id, 60);
    assert.deepEqual((await ledger.get(id))?.counts, { done: 5, skipped: 0, failed: 0, unknown: 0 });
    assert.equal(await ledger.retry(id, 70), 0);
    const retries = (await ledger.readChunks(id, { limit: 10 })).map(({ generation, retries }) => ({
      generation,
      retries,
    }));
    assert.deepEqual(retries, [
      {
        generation: 0,
        retries: [
          { generation: 1, code: "b" },
          { generation: 2, code: "a" },
        ],
      },
      { generation: 0, retries: [{ generation: 2, code: "a" }] },
      { generation: 1, retries: [{ generation: 2, code: "a" }] },
      { generation: 2, retries: [] },
      { generation: 2, retries: [] },
      { generation: 2, retries: [] },
    ]);
  },

  async "fails the waiting items of a batch ended early"(subject) {
    const { ledger } = subject;
    const id = await ledger.accept(batch(), chunks([1, 2], [3, 4]), 0);
    await finishNext(subject, id, done([1, 2]));
    assert.equal(await ledger.failBatch(id, "mostly fails", 20), true);
    assert.equal(await ledger.failBatch(id, "again", 21), false);
    const ended = await ledger.get(id);
    assert.equal(ended?.status, "failed");
    assert.equal(ended?.error, "mostly fails");
    assert.deepEqual(ended?.counts, { done: 2, skipped: 0, failed: 2, unknown: 0 });
    assert.equal(await ledger.retry(id, 30), 2);
    assert.equal((await ledger.get(id))?.error, null);
  },

  async "inserts an idempotency key once, with its batch"({ ledger, database }) {
    const entry = { scope: "s", key: "k", digest: "d", batchId: 1, answer: null, createdAt: 100 };
    const undone = database.transaction(async (transaction) => {
      await ledger.insertIdempotencyKey(entry, transaction);
      throw new Error("undo");
    });
    await assert.rejects(undone, /undo/);
    assert.equal(await ledger.findReplay("s", "k"), undefined);
    const remember = (change: object) =>
      database.transaction((transaction) => ledger.insertIdempotencyKey({ ...entry, ...change }, transaction));
    assert.equal(await remember({}), undefined);
    assert.deepEqual(await remember({ digest: "other", batchId: 2 }), { ...entry, reply: null });
    assert.equal(await remember({ scope: "t" }), undefined);
    await ledger.storeResponse("s", "k", "answer");
    assert.equal(await ledger.storeReply("s", "k", "first"), "first");
    assert.equal(await ledger.storeReply("s", "k", "second"), "first");
    assert.equal((await ledger.findReplay("t", "k"))?.reply, null);
    assert.deepEqual(await ledger.findReplay("s", "k"), { ...entry, answer: "answer", reply: "first" });
    await ledger.purgeExpiredKeys(101);
    assert.equal(await ledger.findReplay("s", "k"), undefined);
  },
};
