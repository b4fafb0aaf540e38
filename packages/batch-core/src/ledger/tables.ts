import type { Generated } from "kysely";
import type { BatchStatus } from "../batch/batch.ts";
import type { Codec } from "../batch/chunk-codec.ts";
import type { EventVerb } from "../batch/event.ts";
import type { WaitReason } from "../errors/wait-reason.ts";
import type { OutcomeWord, Target } from "../operation/operation.ts";

/** The sums over the chunks of a finished batch, stored in its row so that readers need not compute them. */
export interface KeptCounts {
  done: number;
  skipped: number;
  failed: number;
  unknown: number;
  tally: string | null;
  /** The counts by outcome and code, as in the chunks. */
  codes: string | null;
}

/** Reports whether the row of a batch holds the sums over its chunks. */
export const holdsCounts = <Row extends Nullable<Pick<KeptCounts, "done">>>(
  row: Row,
): row is Row & Pick<KeptCounts, keyof Row & keyof KeptCounts> => row.done !== null;

type Nullable<Row> = { [Column in keyof Row]: Row[Column] | null };

/** The core's own tables. Times are milliseconds since 1970 UTC. */
export interface LedgerTables {
  reinstate_batches: {
    id: Generated<number>;
    operation: string;
    label: string;
    target: Target;
    account: string;
    params: string;
    actor: string | null;
    /** The `traceparent` of the request that made the batch. */
    trace: Generated<string | null>;
    status: BatchStatus;
    total: number;
    duplicates: number;
    generation: Generated<number>;
    error: string | null;
    dry_run: number;
    /** The batch whose items these are. */
    from_batch: number | null;
    /** The batch that is undone. */
    undo_of: number | null;
    /** The digest of the batch's content. */
    content: string | null;
    max_failure_rate: number | null;
    failure_after: number | null;
    next_allowed_at: number | null;
    /** The reason for `next_allowed_at`; without effect if that is null. */
    waiting_for: Generated<WaitReason | null>;
    created_at: number;
    updated_at: number;
    started_at: number | null;
    finished_at: number | null;
    /** The smallest and the largest integer among the items. */
    first_item: number | null;
    last_item: number | null;
  } & Nullable<KeptCounts>;
  reinstate_chunks: {
    batch_id: number;
    generation: number;
    seq: number;
    /** `interrupted`: no worker owns the chunk, and an earlier attempt may have had its effect. */
    state: "waiting" | "claimed" | "interrupted" | "finished";
    item_count: number;
    done: Generated<number>;
    skipped: Generated<number>;
    failed: Generated<number>;
    unknown: Generated<number>;
    /** Number of failed items that a later generation retries; they no longer count here. */
    retried: Generated<number>;
    /** Number of unknown items that a later generation reexamines or marks; they no longer count here. */
    resolved: Generated<number>;
    /** The retries: `[{ "generation": 1, "code": "no" }]`; without `code`, all failed items. With `"outcome": "unknown"`, those items. */
    retries: Generated<string | null>;
    /** The chunk under which the items were first sent, if a later generation reexamines them. */
    origin_generation: number | null;
    origin_seq: number | null;
    /** The smallest and the largest integer among the items. */
    first_item: number | null;
    last_item: number | null;
    /** 1 if the items were rejected during validation, so no retry includes them. */
    refused: Generated<number>;
    /** The outcome of every item without a row of its own; null for `done`, and while the chunk is not finished. */
    rest_outcome: OutcomeWord | null;
    rest_code: string | null;
    rest_message: string | null;
    tally: string | null;
    /** JSON: `[["failed", "not_found", 12, "a message"], …]`, the items by outcome and code; null if no item has a code. */
    codes: string | null;
    attempts: Generated<number>;
    not_before: Generated<number>;
    worker: string | null;
    lease_until: number | null;
    finished_at: number | null;
  };
  reinstate_items: {
    batch_id: number;
    generation: number;
    seq: number;
    codec: Codec;
    packed: Uint8Array;
  };
  reinstate_outcomes: {
    batch_id: number;
    generation: number;
    seq: number;
    position: number;
    outcome: OutcomeWord;
    code: string | null;
    message: string | null;
  };
  /** The items that were about to be sent to a vendor, for chunks that are not finished. */
  reinstate_intents: {
    batch_id: number;
    generation: number;
    seq: number;
    /** JSON: the keys of the items that calls may have changed. */
    keys: string;
    /** JSON: the keys of the items that calls have changed. */
    done: string;
    /** The vendor's job; null until its id is known. */
    reference: string | null;
  };
  reinstate_idempotency: {
    scope: string;
    idempotency_key: string;
    digest: string;
    batch_id: number;
    /** The first response; null while the batch runs for it. */
    answer: string | null;
    /** The body of the first reply, if the vendor's API stored one. */
    reply: Generated<string | null>;
    created_at: number;
  };
  /** The history of batches, with actors and reasons. The creation and the latest end are in its own row, unless they have a note. */
  reinstate_events: {
    batch_id: number;
    /** 0, 1, 2 … within the batch. */
    seq: number;
    at: number;
    verb: EventVerb;
    actor: string | null;
    note: string | null;
    generation: number;
    /** JSON: the facts of the verb, such as the code of the items that were retried. */
    detail: string | null;
  };
  /** Pruned batches whose rows in the other tables are not yet deleted. */
  reinstate_pruned: {
    batch_id: number;
  };
  reinstate_pace: {
    name: string;
    tokens: number;
    filled_at: number;
  };
  /** Replies to keyed requests that need not make a batch. */
  reinstate_replies: {
    scope: string;
    idempotency_key: string;
    digest: string;
    /** JSON; null while the first request is in progress. */
    reply: string | null;
    /** The last heartbeat. */
    claimed_at: number;
    claim: string | null;
  };
  /** Calls of the last minute under a rate limit. */
  reinstate_rate_windows: {
    name: string;
    /** JSON: `[[time, calls], …]`, oldest first. */
    taken: string;
  };
  reinstate_keys: {
    id: string;
    lookup: string;
    digest: Uint8Array;
    vendor: string;
    account: string;
    name: string;
    options: string;
    created_at: number;
    revoked_at: number | null;
  };
}
