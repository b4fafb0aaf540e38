import assert from "node:assert/strict";
import type { LedgerTransaction } from "../database/database.ts";
import type { FlagStore } from "../flags/flag-store.ts";
import type { ItemKey } from "../operation/operation.ts";

/** A flag store over an empty table, with access to its records. */
export interface FlagStoreUnderTest<Id extends ItemKey> {
  flags: FlagStore<Id>;
  /** Adds records without the flag. Returns their ids, in the order of the store's own sort. */
  add(account: string, count: number): Promise<Id[]>;
  /** An id that no record has. */
  absent: Id;
  /** Reads the flag of a record: the time, or null. */
  flagOf(account: string, id: Id): Promise<number | null>;
  transaction<Result>(work: (transaction: LedgerTransaction) => Promise<Result>): Promise<Result>;
}

const sorted = <Id>(ids: readonly Id[]) => [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

/**
 * The guarantees of a `FlagStore`, as checks that reject if one is broken. Each needs its own empty table.
 *
 * @example for (const { name, check } of flagStoreContract) test(name, async () => check(await openFlags()));
 */
export const flagStoreContract: {
  name: string;
  check<Id extends ItemKey>(tested: FlagStoreUnderTest<Id>): Promise<void>;
}[] = [
  {
    name: "reports changed and unchanged records, and omits absent ones",
    async check({ flags, add, absent, flagOf, transaction }) {
      const [first, second] = await add("a", 2);
      assert.ok(first !== undefined && second !== undefined);
      const one = await transaction((t) => flags.set("a", [first], 5, t));
      assert.deepEqual(one, { changed: [first], unchanged: [] });
      const mixed = await transaction((t) => flags.set("a", [first, second, absent], 6, t));
      assert.deepEqual(mixed, { changed: [second], unchanged: [first] });
      assert.deepEqual([await flagOf("a", first), await flagOf("a", second)], [5, 6]);
      const cleared = await transaction((t) => flags.clear("a", [first, absent], 7, t));
      assert.deepEqual(cleared, { changed: [first], unchanged: [] });
      assert.deepEqual([await flagOf("a", first), await flagOf("a", second)], [null, 6]);
      const again = await transaction((t) => flags.clear("a", [first], 8, t));
      assert.deepEqual(again, { changed: [], unchanged: [first] });
      assert.deepEqual(await transaction((t) => flags.set("a", [absent], 9, t)), { changed: [], unchanged: [] });
    },
  },
  {
    name: "keeps accounts apart",
    async check({ flags, add, flagOf, transaction }) {
      const [own] = await add("a", 1);
      const [foreign] = await add("b", 1);
      assert.ok(own !== undefined && foreign !== undefined);
      assert.deepEqual(await transaction((t) => flags.set("a", [own, foreign], 5, t)), {
        changed: [own],
        unchanged: [],
      });
      assert.equal(await flagOf("b", foreign), null);
      await transaction((t) => flags.set("b", [foreign], 5, t, 7));
      assert.deepEqual(await transaction((t) => flags.clear("a", [foreign], 6, t)), { changed: [], unchanged: [] });
      assert.deepEqual(await transaction((t) => flags.undo("a", [foreign], 7, 6, t)), { changed: [], unchanged: [] });
      assert.equal(await flagOf("b", foreign), 5);
    },
  },
  {
    name: "changes a large set like a small one",
    async check({ flags, add, absent, flagOf, transaction }) {
      const ids = await add("a", 200);
      const none = await transaction((t) => flags.clear("a", ids, 2, t));
      assert.deepEqual([none.changed, sorted(none.unchanged)], [[], sorted(ids)]);
      const all = await transaction((t) => flags.set("a", ids, 3, t, 7));
      assert.deepEqual([sorted(all.changed), all.unchanged], [sorted(ids), []]);
      const odd = ids.filter((_, index) => index % 2 === 1);
      const even = ids.filter((_, index) => index % 2 === 0);
      await transaction((t) => flags.clear("a", odd, 4, t));
      const rest = await transaction((t) => flags.clear("a", [...ids, absent], 5, t));
      assert.deepEqual([sorted(rest.changed), sorted(rest.unchanged)], [sorted(even), sorted(odd)]);
      for (const id of ids.slice(0, 4)) assert.equal(await flagOf("a", id), null);
    },
  },
  {
    name: "undoes what one batch set and was not changed since",
    async check({ flags, add, flagOf, transaction }) {
      const [a, b, c] = await add("a", 3);
      assert.ok(a !== undefined && b !== undefined && c !== undefined);
      await transaction((t) => flags.set("a", [a, b], 2, t, 7));
      await transaction((t) => flags.set("a", [c], 2, t, 8));
      await transaction((t) => flags.clear("a", [b], 3, t));
      await transaction((t) => flags.set("a", [b], 4, t, 9));
      const undone = await transaction((t) => flags.undo("a", [a, b, c], 7, 5, t));
      assert.deepEqual([undone.changed, sorted(undone.unchanged)], [[a], sorted([b, c])]);
      assert.deepEqual([await flagOf("a", a), await flagOf("a", b), await flagOf("a", c)], [null, 4, 2]);
      assert.deepEqual(await transaction((t) => flags.undo("a", [a], 7, 6, t)), { changed: [], unchanged: [a] });
    },
  },
  {
    name: "writes with its transaction or not at all",
    async check({ flags, add, flagOf, transaction }) {
      const [id] = await add("a", 1);
      assert.ok(id !== undefined);
      const undone = transaction(async (t) => {
        await flags.set("a", [id], 2, t);
        throw new Error("undone");
      });
      await assert.rejects(undone, /undone/);
      assert.equal(await flagOf("a", id), null);
    },
  },
];
