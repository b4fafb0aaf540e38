import { type Batch, isFinished } from "../batch/batch.ts";
import type { Clock } from "../clock.ts";
import type { LedgerTransaction } from "../database/database.ts";
import { ReinstateError } from "../errors/errors.ts";
import type { IdempotencyKey } from "../ledger/idempotency-keys.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Submitted } from "./request.ts";

/** Interval between two purges of old idempotency keys. */
const purgeEveryMs = 3_600_000;

/** Rolls back a transaction whose idempotency key was inserted by a concurrent call. */
export class KeyTaken extends Error {}

/** Idempotency keys with their first responses. Every method does nothing for a request without a key. */
export interface Replays {
  /** Returns the first response to a key; undefined if the key is new. Throws `idempotency_mismatch` or `idempotency_running`. */
  find(key: IdempotencyKey | undefined): Promise<Submitted | undefined>;
  /** Stores a key in the transaction that accepts its batch. Throws `KeyTaken`, which rolls the transaction back, if it exists. */
  insert(
    key: IdempotencyKey | undefined,
    batchId: number,
    transaction: LedgerTransaction,
    answer?: Batch,
  ): Promise<void>;
  /** Stores the first response to a key. */
  storeAnswer(key: IdempotencyKey | undefined, answer: Batch, transaction?: LedgerTransaction): Promise<void>;
}

export function createReplays(parts: {
  ledger: Ledger;
  clock: Clock;
  /** Retention of keys in milliseconds. */
  keepKeysMs: number;
  get(id: number): Promise<Batch>;
}): Replays {
  const { ledger, clock, keepKeysMs, get } = parts;
  let purgedAt = Number.NEGATIVE_INFINITY;

  async function purgeIfDue(): Promise<void> {
    const now = clock.now();
    if (now - purgedAt < purgeEveryMs) return;
    purgedAt = now;
    await ledger.purgeExpiredKeys(now - keepKeysMs);
  }

  return {
    async find(idempotency) {
      if (!idempotency) return undefined;
      await purgeIfDue();
      const { scope, key, digest } = idempotency;
      const first = await ledger.findReplay(scope, key);
      if (!first) return undefined;
      // A key is deleted with its batch.
      if (!(await ledger.head(first.batchId))) {
        await ledger.deleteIdempotencyKey(scope, key);
        return undefined;
      }
      if (first.digest !== digest) {
        throw new ReinstateError("idempotency_mismatch", "This Idempotency-Key was used with another request");
      }
      const replay = { replayed: true as const, ...(first.reply !== null && { reply: first.reply }) };
      if (first.answer !== null) return { ...(JSON.parse(first.answer) as Batch), ...replay };
      const batch = await get(first.batchId);
      // The first process died before it stored its response, and another one finished the batch.
      if (isFinished(batch.status)) return { ...batch, ...replay };
      throw new ReinstateError(
        "idempotency_running",
        "The first request with this Idempotency-Key is still being worked on",
      );
    },

    async insert(idempotency, batchId, transaction, answer) {
      if (!idempotency) return;
      const entry = {
        ...idempotency,
        batchId,
        answer: answer === undefined ? null : JSON.stringify(answer),
        createdAt: clock.now(),
      };
      if (await ledger.insertIdempotencyKey(entry, transaction)) throw new KeyTaken();
    },

    async storeAnswer(idempotency, answer, transaction) {
      if (!idempotency) return;
      await ledger.storeResponse(idempotency.scope, idempotency.key, JSON.stringify(answer), transaction);
    },
  };
}
