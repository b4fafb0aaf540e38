import assert from "node:assert/strict";
import { uniformChunkResult } from "../batch/chunk-result.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { batch, chunks, finishNext, type LedgerUnderTest } from "./ledger-steps.ts";

const readHistory = async (ledger: Ledger, id: number) =>
  (await ledger.history(id)).map(({ at, verb, actor, note, generation }) => [at, verb, actor, note, generation]);

/** The guarantees of every ledger about the history of batches. */
export const historyContract: Record<string, (subject: LedgerUnderTest) => Promise<void>> = {
  async "records each change of a batch, oldest first"(subject) {
    const { ledger } = subject;
    const id = await ledger.accept(batch({ total: 2, actor: "ann" }), chunks([1, 2]), 1);
    const stopped = { verb: "stopped", at: 2, actor: "bob", note: "lunch" } as const;
    assert.equal(await ledger.move(id, "stopped", 2, undefined, stopped), true);
    assert.equal(await ledger.move(id, "stopped", 3, undefined, { ...stopped, at: 3 }), false);
    assert.equal(await ledger.move(id, "in_progress", 4, ["stopped"], { verb: "resumed", at: 4 }), true);
    await finishNext(subject, id, uniformChunkResult(2, "failed", "no", "not now"));
    await ledger.closeBatch(id, 20);
    const first = [
      [1, "created", "ann", null, 0],
      [2, "stopped", "bob", "lunch", 0],
      [4, "resumed", null, null, 0],
      [20, "completed", null, null, 0],
    ];
    assert.deepEqual(await readHistory(ledger, id), first);
    assert.equal(await ledger.retry(id, 30, { code: "yes", act: { actor: "bob" } }), 0);
    assert.deepEqual(await readHistory(ledger, id), first);
    assert.equal(await ledger.retry(id, 31, { code: "no", act: { actor: "bob", note: "again" } }), 2);
    const second = [...first, [31, "retried", "bob", "again", 1]];
    assert.deepEqual(await readHistory(ledger, id), second);
    const retried = (await ledger.history(id)).at(-1);
    assert.deepEqual([retried?.code, retried?.items, retried?.outcome, retried?.batch], ["no", 2, null, null]);
    await ledger.failBatch(id, "mostly fails", 40);
    assert.deepEqual(await readHistory(ledger, id), [...second, [40, "failed", null, "mostly fails", 1]]);
  },

  async "keeps the end of a batch before a later event"(subject) {
    const { ledger, database } = subject;
    const id = await ledger.accept(batch({ total: 1 }), chunks([1]), 1);
    await finishNext(subject, id, uniformChunkResult(1, "failed", "no", "not now"));
    await ledger.closeBatch(id, 5);
    const undo = (at: number, batch: number) =>
      database.transaction((transaction) =>
        ledger.recordEvent(id, { verb: "undo_prepared", at, actor: "ann", facts: { batch } }, transaction),
      );
    await Promise.all([undo(7, 12), undo(7, 13)]);
    const history = await ledger.history(id);
    assert.deepEqual(
      history.map(({ verb }) => verb),
      ["created", "completed", "undo_prepared", "undo_prepared"],
    );
    assert.deepEqual(
      history
        .slice(2)
        .map(({ batch }) => batch)
        .sort(),
      [12, 13],
    );
    await ledger.retry(id, 8);
    assert.equal((await ledger.history(id)).filter(({ verb }) => verb === "completed").length, 1);
  },

  async "records no event of a change that rolled back"({ ledger, database }) {
    const id = await ledger.accept(batch({ total: 1 }), chunks([1]), 1);
    const undone = database.transaction(async (transaction) => {
      await ledger.recordEvent(id, { verb: "undo_prepared", at: 2 }, transaction);
      throw new Error("undo");
    });
    await assert.rejects(undone, /undo/);
    assert.deepEqual(await readHistory(ledger, id), [[1, "created", "me", null, 0]]);
    assert.deepEqual(await ledger.history(id + 1), []);
  },
};
