import type * as z from "zod";
import type { LedgerTransaction } from "../database/database.ts";
import type { Log } from "../log.ts";
import { columnName } from "./column-name.ts";
import type { Limits } from "./limits.ts";

/** What became of one item. `key` is the operation's key of the item. */
export type Outcome =
  | { key: ItemKey; outcome: "done" }
  /** Was already so: nothing had to change. */
  | { key: ItemKey; outcome: "skipped"; code: string; message?: string }
  /** A verdict: this item cannot be worked on. Never retried by itself. */
  | { key: ItemKey; outcome: "failed"; code: string; message: string }
  /** We asked and cannot know. */
  | { key: ItemKey; outcome: "unknown"; code: string; message: string };

export type ItemKey = number | string;

export type OutcomeWord = Outcome["outcome"];

/** Our own stores, or the real vendor through its client. */
export type Target = "local" | "upstream";

/** One chunk of a batch, as an operation gets it. */
export interface Work<Item, Params> {
  batchId: number;
  seq: number;
  generation: number;
  /** The wall between customers: a store must never look over it. Empty where a vendor has no accounts. */
  account: string;
  /** The actor of the batch, as in its record; null if the caller named none. */
  actor: string | null;
  params: Params;
  items: Item[];
  /** 1 at the first try; more when the chunk was tried before. */
  attempt: number;
  /** An earlier try may have had its effect, in part or in full. */
  interrupted: boolean;
  /**
   * Where `effects` is `"ledger"`: the transaction of the chunk. What is written through it commits together with the
   * outcomes, or not at all; `apply` is called again where it was undone. See `sharesCommit`. Otherwise undefined.
   */
  transaction: LedgerTransaction;
  /** Sums kept with the batch beside the counts of outcomes (rows inserted, rows deleted …), committed with the chunk. */
  tally: Record<string, number>;
  /** Aborted when the chunk may be in other hands by now: nothing more may be sent for it. */
  signal: AbortSignal;
  log: Log;
}

/** A verb on items: everything that the core must know to carry a batch of it. */
export interface Operation<Item = unknown, Params = unknown> {
  /** `vendor.resource.verb` */
  name: string;
  /** The vendor's own label for the same thing, `promoter/restore`. */
  label: string;
  target: Target;
  item: z.ZodType<Item>;
  params: z.ZodType<Params>;
  /**
   * The operation's own names for the column of a table that holds its ids: `["promoter_id"]`. They go before `id`, which every
   * operation knows. Items that are objects need none: their fields are the columns.
   */
  columns?: readonly string[];
  /** Two items with one key are one item. */
  key(item: Item): ItemKey;
  /** Items per chunk. */
  chunkSize: number;
  /** A batch of up to so many items is finished before it is answered. */
  inlineLimit: number;
  /** How fast it may go, over all processes together. Without it, as fast as it can. */
  limits?: Limits;
  /**
   * `"ledger"`: what `apply` changes lies in the ledger's own database and commits with the outcomes, exactly once.
   * `"elsewhere"`: the chunk is claimed, applied and then settled; a crash in between is made good on the next claim.
   */
  effects: "ledger" | "elsewhere";
  /** A second `apply` of the same items ends in the same state, so an interrupted chunk may be applied again. */
  repeatable: boolean;
  /**
   * Small batches that are asked for at the same moment share one transaction, and with it the durable commit; on PostgreSQL
   * their statements go among each other's. Only where `apply` judges and changes by one statement: what one of them has read
   * and locked, another one of the same transaction may change. No savepoints there, and no settings of the transaction.
   */
  groupCommit: boolean;
  /** Finds items by a filter, for those who have no list of them. */
  selection?: {
    filter: z.ZodType;
    /** The items that the filter finds now, a page at a time. */
    // biome-ignore lint/suspicious/noExplicitAny: the filter is validated by its own schema.
    select(filter: any, account: string): AsyncIterable<Item[]>;
  };
  /** Answers for every item, in any order; an item without an answer is a failure, never assumed done. */
  apply(work: Work<Item, Params>): Promise<Outcome[]>;
  /**
   * Called in the transaction in which a batch is accepted, and in the one in which a retry begins a new generation: for what
   * must be on disk with it. Not called for dry runs.
   */
  accepted?(begun: { batchId: number; generation: number }, transaction: LedgerTransaction): Promise<void>;
  /** Finds out what an interrupted `apply` did, where it is not repeatable. */
  reconcile?(work: Work<Item, Params>): Promise<Outcome[]>;
  /**
   * Tells what `apply` would do and changes nothing: for dry runs of operations with effects elsewhere. Others are applied
   * and undone.
   */
  preview?(work: Work<Item, Params>): Promise<Outcome[]>;
}

/** An operation with its types forgotten, as the core keeps it. */
// biome-ignore lint/suspicious/noExplicitAny: items and params are validated by the operation's own schemas.
export type AnyOperation = Operation<any, any>;

type Optional = "target" | "inlineLimit" | "effects" | "repeatable" | "groupCommit";

/**
 * Declares an operation. Defaults: target `local`, effects in the ledger's database, repeatable, a commit of its own, one chunk
 * is finished inline.
 */
export function defineOperation<Item, Params>(
  operation: Omit<Operation<Item, Params>, Optional> & Partial<Pick<Operation<Item, Params>, Optional>>,
): Operation<Item, Params> {
  if (!/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){2}$/.test(operation.name)) {
    throw new Error(`The operation name "${operation.name}" is not of the form vendor.resource.verb`);
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
