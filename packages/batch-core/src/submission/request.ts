import type { Batch, StopRule } from "../batch/batch.ts";
import type { Act } from "../batch/event.ts";
import type { IdempotencyKey } from "../ledger/idempotency-keys.ts";
import type { Target } from "../operation/operation.ts";

/** An item that was rejected during validation. It counts as failed from the start. */
export interface Refused {
  item: unknown;
  code: string;
  message: string;
}

/** The fields of a new batch, without its items. */
export interface Request extends Act {
  operation: string;
  target?: Target;
  /** Required if the vendor has accounts, and absent if it has none. On our own records it must have keys or records. */
  account?: string;
  params?: unknown;
  /** Runs the batch before the call returns. Default: the size of the batch decides. A prepared batch never runs before. */
  inline?: boolean;
  /** Reports what would happen and changes nothing. */
  dryRun?: boolean;
  /** Accepts the batch as `stopped`. Nothing runs until `resume`. */
  prepared?: boolean;
  stopRule?: StopRule;
  /**
   * The SHA-256 digest, in lower-case hexadecimal, of everything that makes the batch: operation, target, account, params and items. A
   * real batch with the content of another one of the last seven days is rejected.
   */
  content?: string | undefined;
  /** Accepts the batch even if another one has the same content. */
  again?: boolean | undefined;
  idempotency?: IdempotencyKey;
}

/** A request as the submission passes it on: with what the caller cannot set. */
export interface AcceptedRequest extends Request {
  /** The filter that found the items. */
  filter?: unknown;
  /** The batch whose items these are. */
  fromBatch?: number;
  /** The batch that is undone. */
  undoOf?: number;
}

/** A batch to accept, with its items. */
export interface Submission extends Request {
  items: readonly unknown[];
  /** Invalid items that the vendor's contract counts as failed. */
  refused?: readonly Refused[];
}

/** Options of a retry. */
export interface RetryOptions extends Act {
  /** Limits the retry to items that failed with this code. */
  code?: string | undefined;
  /** A repeat with the same key and digest gets the first response, and nothing runs again. */
  idempotency?: IdempotencyKey;
}

/**
 * A batch as it is returned to its submitter. `replayed`: it is the first response to the idempotency key. `reply`: the body that
 * `batches.storeReply` stored for the key.
 */
export type Submitted = Batch & { replayed?: true; reply?: string };
