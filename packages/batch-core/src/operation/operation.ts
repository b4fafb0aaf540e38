import type * as z from "zod";
import type { LedgerTransaction } from "../database/database.ts";
import type { Log } from "../log.ts";
import { columnName } from "./column-name.ts";
import type { Limits } from "./limits.ts";

/** The outcome of one item. `key` is the operation's key of the item. */
export type Outcome =
  | { key: ItemKey; outcome: "done" }
  /** The item was already in the target state. */
  | { key: ItemKey; outcome: "skipped"; code: string; message?: string }
  /** The item cannot be processed. Never retried automatically. */
  | { key: ItemKey; outcome: "failed"; code: string; message: string }
  /** The item may have been processed, and the effect cannot be determined. */
  | { key: ItemKey; outcome: "unknown"; code: string; message: string };

/** The identity of an item within a batch. */
export type ItemKey = number | string;

/** The four outcomes of an item. */
export type OutcomeWord = Outcome["outcome"];

/** All outcomes, in the order in which they are shown. */
export const outcomeWords = ["done", "skipped", "failed", "unknown"] as const satisfies readonly OutcomeWord[];

/** `local`: our own stores. `upstream`: the real vendor through its client. */
export type Target = "local" | "upstream";

/** `restore` brings records back; `archive` is its opposite. */
export type Role = "restore" | "archive";

/** A chunk within its batch. */
export interface Origin {
  generation: number;
  seq: number;
}

/** One chunk of a batch, as it is passed to an operation. */
export interface Work<Item, Params> {
  batchId: number;
  seq: number;
  generation: number;
  /**
   * The chunk under which the items were first sent, if unknown outcomes are reexamined; else absent, and this chunk is meant. Request
   * ids derive from it, so that the vendor recognises the earlier call.
   */
  origin?: Origin | undefined;
  /** The tenant. A store must read and write only rows of this account. Empty if the vendor has no accounts. */
  account: string;
  /** The actor of the batch; null if the caller named none. */
  actor: string | null;
  params: Params;
  items: Item[];
  /** 1 at the first attempt. */
  attempt: number;
  /** An earlier attempt may have had its effect, in part or in full. */
  interrupted: boolean;
  /**
   * The transaction of the chunk if `effects` is `"ledger"`, otherwise undefined. Its writes commit together with the outcomes.
   * If it is rolled back, `apply` is called again. See `groupCommit`.
   */
  transaction: LedgerTransaction;
  /** Named counters of the batch beside the counts of outcomes (rows inserted, rows deleted …). Committed with the chunk. */
  tally: Record<string, number>;
  /** Aborted if another worker may have claimed the chunk. From then on, nothing more may be sent for it. */
  signal: AbortSignal;
  log: Log;
}

/** The operation that undoes another one. */
export interface Opposite<Params> {
  /** Its name. Its items are those of the operation that it undoes. */
  operation: string;
  /** Returns its params, or undefined if effects with these params cannot be undone. */
  params(params: Params, undo: { batchId: number; note?: string | undefined }): unknown;
}

/** A verb on items: everything that the core needs to run batches of it. */
export interface Operation<Item = unknown, Params = unknown> {
  /** `vendor.resource.verb` */
  name: string;
  /** The vendor's own label for the same thing, `promoter/restore`. */
  label: string;
  target: Target;
  /** The vendor's operation behind the general command `restore` or `archive`. At most one operation for each target has a role. */
  role?: Role;
  item: z.ZodType<Item>;
  params: z.ZodType<Params>;
  /** Params that an interactive caller, such as the command line, assumes for those that it is not given. */
  usualParams?: Readonly<Record<string, unknown>>;
  /**
   * Names of the CSV column that holds the ids, for example `["promoter_id"]`. They take precedence over `id`, which every
   * operation accepts. Items that are objects need none, because their fields are the columns.
   */
  columns?: readonly string[];
  /** Returns the identity of an item. Items with the same key are duplicates. */
  key(item: Item): ItemKey;
  /** Items per chunk. */
  chunkSize: number;
  /** Maximum number of items for which a batch is finished before the call returns. */
  inlineLimit: number;
  /** Limits over all processes together. Without them, the operation is not limited. */
  limits?: Limits;
  /**
   * `"ledger"`: `apply` changes the ledger's own database, and the changes commit with the outcomes, exactly once.
   * `"elsewhere"`: the chunk is claimed, applied and then finished. After a crash in between, the next claim recovers it.
   */
  effects: "ledger" | "elsewhere";
  /** A second `apply` of the same items leads to the same state, so an interrupted chunk may be applied again. */
  repeatable: boolean;
  /**
   * Runs small concurrent batches in one transaction, so that they share one durable commit. On PostgreSQL their statements
   * interleave, so rows that one batch has read and locked may be changed by another. Set it only if `apply` is a single
   * read-modify-write statement. `apply` must not use savepoints or transaction settings.
   */
  groupCommit: boolean;
  /**
   * The operation, at the same target, that undoes this one. `params` returns its params for a batch with these params; undefined if the
   * effects with these params cannot be undone.
   */
  opposite?: Opposite<Params>;
  /** Finds items by a filter, for callers without a list of them. */
  selection?: {
    filter: z.ZodType;
    /** Yields pages of the items that match the filter now. */
    // biome-ignore lint/suspicious/noExplicitAny: the filter is validated by its own schema.
    select(filter: any, account: string): AsyncIterable<Item[]>;
  };
  /** Returns an outcome for every item, in any order. An item without an outcome counts as failed, never as done. */
  apply(work: Work<Item, Params>): Promise<Outcome[]>;
  /**
   * Called in the transaction that accepts a batch, and in the one in which a retry starts a new generation. Its writes commit
   * with the batch, for example an outbox. Not called for dry runs.
   */
  accepted?(begun: { batchId: number; generation: number }, transaction: LedgerTransaction): Promise<void>;
  /** Reads back the outcomes of an interrupted `apply` that is not repeatable. */
  reconcile?(work: Work<Item, Params>): Promise<Outcome[]>;
  /**
   * Returns what `apply` would do, and changes nothing. For dry runs of operations with effects elsewhere; operations with
   * effects in the ledger are applied and rolled back.
   */
  preview?(work: Work<Item, Params>): Promise<Outcome[]>;
}

/** An operation without its type parameters, as the core stores it. */
// biome-ignore lint/suspicious/noExplicitAny: items and params are validated by the operation's own schemas.
export type AnyOperation = Operation<any, any>;

type Optional = "target" | "inlineLimit" | "effects" | "repeatable" | "groupCommit";

/**
 * Declares an operation. Defaults: target `local`, effects in the ledger's database, repeatable, no group commit, and batches of
 * up to one chunk run inline.
 *
 * @throws Error if the name, the chunk size or the columns are invalid
 * @example
 * const greet = defineOperation({
 *   name: "demo.people.greet",
 *   label: "person/greet",
 *   item: z.string(),
 *   params: z.strictObject({}),
 *   key: (name) => name,
 *   chunkSize: 500,
 *   apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
 * });
 */
export function defineOperation<Item, Params>(
  operation: Omit<Operation<Item, Params>, Optional> & Partial<Pick<Operation<Item, Params>, Optional>>,
): Operation<Item, Params> {
  if (!/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){2}$/.test(operation.name)) {
    throw new Error(`Invalid operation name "${operation.name}"; use the form vendor.resource.verb`);
  }
  if (!Number.isInteger(operation.chunkSize) || operation.chunkSize < 1) {
    throw new Error(`${operation.name}: chunkSize must be a whole number of at least 1`);
  }
  const columns = (operation.columns ?? []).map(columnName);
  const twice = columns.find((column, place) => columns.indexOf(column) !== place);
  if (twice !== undefined) {
    const [vendor] = operation.name.split(".");
    throw new Error(`vendor ${vendor}: columns of ${operation.name}: ${twice} is declared twice`);
  }
  return {
    target: "local",
    inlineLimit: operation.chunkSize,
    effects: "ledger",
    repeatable: true,
    groupCommit: false,
    ...operation,
  };
}
