import type * as z from "zod";
import type { Clock } from "../clock.ts";
import {
  defineOperation,
  type ItemKey,
  type Operation,
  type Opposite,
  type Outcome,
  type Role,
  type Work,
} from "../operation/operation.ts";
import type { Flagged } from "./flag-store.ts";

/** A verb on flagged records: delete, restore, undo. Its items are the ids. */
export interface FlagOperation<Id extends ItemKey, Params> {
  name: string;
  label: string;
  item: z.ZodType<Id>;
  params: z.ZodType<Params>;
  role?: Role;
  columns?: readonly string[];
  /** The operation that undoes this one. */
  opposite?: Opposite<Params>;
  /** Default 500. */
  chunkSize?: number;
  /** Default: one chunk. */
  inlineLimit?: number;
  clock: Clock;
  /** Changes the flags in the chunk's transaction, by a method of a flag store. */
  change(work: Work<Id, Params>, now: number): Promise<Flagged<Id>>;
  /** The code of a record that was in the wanted state already and is skipped: `not_deleted`. */
  unchanged: string;
  /** Returns the message for an id that is not there, or in another account. The two must look the same. */
  notFound(id: Id): string;
}

/**
 * Declares an operation that changes the flags of records in the ledger's own database: exactly once, with one statement for
 * each chunk. Records in the wanted state are `skipped`, ids that are not there have `failed` with the code `not_found`.
 *
 * @example
 * const restore = defineFlagOperation({
 *   name: "zendesk.tickets.restore",
 *   label: "ticket/restore",
 *   item: z.int().min(1),
 *   params: z.strictObject({}),
 *   clock: host.clock,
 *   change: ({ account, items, transaction }, now) => flags.clear(account, items, now, transaction),
 *   unchanged: "not_deleted",
 *   notFound: (id) => `Ticket ${id} not found`,
 * });
 */
export function defineFlagOperation<Id extends ItemKey, Params>({
  clock,
  change,
  unchanged,
  notFound,
  ...declared
}: FlagOperation<Id, Params>): Operation<Id, Params> {
  return defineOperation<Id, Params>({
    chunkSize: 500,
    ...declared,
    key: (id) => id,
    // The statement that changes a record is the one that checks its state.
    groupCommit: true,
    async apply(work) {
      const flagged = await change(work, clock.now());
      if (flagged.changed.length === work.items.length) return work.items.map((key) => ({ key, outcome: "done" }));
      const done = new Set(flagged.changed);
      const same = new Set(flagged.unchanged);
      return work.items.map((key): Outcome => {
        if (done.has(key)) return { key, outcome: "done" };
        if (same.has(key)) return { key, outcome: "skipped", code: unchanged };
        return { key, outcome: "failed", code: "not_found", message: notFound(key) };
      });
    },
  });
}
