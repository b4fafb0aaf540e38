import type { Batch, StopRule } from "../batch/batch.ts";
import type { IdempotencyKey } from "../ledger/idempotency-keys.ts";
import type { Target } from "../operation/operation.ts";

/** An item that is counted but cannot be worked on: refused at the door, with its outcome from the start. */
export interface Refused {
  item: unknown;
  code: string;
  message: string;
}

/** What every way to make a batch says of it, but for its items. */
export interface Request {
  operation: string;
  target?: Target;
  /** Required if the vendor has accounts, and absent if it has none. On our own records it must have keys or records. */
  account?: string;
  params?: unknown;
  /** The id of the key that asked. */
  actor?: string;
  /** Whether the batch is finished before it is answered; without it, its size decides. */
  inline?: boolean;
  /** Only tell what would happen. */
  dryRun?: boolean;
  stopRule?: StopRule;
  idempotency?: IdempotencyKey;
}

export interface Submission extends Request {
  items: readonly unknown[];
  /** Items that the vendor's contract counts as failed though they are not valid. */
  refused?: readonly Refused[];
}

export interface RetryOptions {
  /** Only the items that failed with this code. */
  code?: string | undefined;
  /** The same key with the same digest gets the first answer, and nothing runs again. */
  idempotency?: IdempotencyKey;
}

/**
 * A batch as it was answered; `replayed` where an idempotency key had its answer already, with the `reply` that was stored for the key
 * by `batches.storeReply`.
 */
export type Submitted = Batch & { replayed?: true; reply?: string };
