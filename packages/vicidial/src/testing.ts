import assert from "node:assert/strict";
import type { LedgerTransaction } from "@reinstate/batch-core";
import type { Lead } from "./leads/columns.ts";
import { makeLead } from "./leads/make-lead.ts";
import { AllOrNothingRefused } from "./leads/move-errors.ts";
import type { Move, Moved, Verb } from "./leads/move-types.ts";
import type { LeadStore } from "./store/lead-store.ts";

export { dialerTables } from "./fixtures/dialer-tables.ts";
export { insertRows } from "./fixtures/insert-rows.ts";
export { leadTables } from "./fixtures/vicidial-tables.ts";
export type { Lead } from "./leads/columns.ts";
export { makeLead } from "./leads/make-lead.ts";
export type { Move, Moved, Verb } from "./leads/move-types.ts";
export type { LeadStore } from "./store/lead-store.ts";

/** A store over two empty tables, and direct access to these tables. */
export interface StoreUnderTest {
  store: LeadStore;
  fill(table: "live" | "archive", leads: Lead[]): Promise<void>;
  /** Returns all leads of a table, ascending by id. */
  leads(table: "live" | "archive"): Promise<Lead[]>;
  transaction<Result>(work: (transaction: LedgerTransaction) => Promise<Result>): Promise<Result>;
}

const sides = { dearchive: { from: "archive", to: "live" }, archive: { from: "live", to: "archive" } } as const;

/** Moves leads with insert and delete; `options` override that. */
function run(under: StoreUnderTest, verb: Verb, ids: number[], options: Partial<Move> = {}): Promise<Moved> {
  const move = { verb, ids, insert: true, update: false, delete: true, ...options };
  return under.transaction((transaction) => under.store.move(move, { transaction }));
}

const pickIds = (leads: Lead[]) => leads.map(({ lead_id }) => lead_id);

async function expectLeads(under: StoreUnderTest, table: "live" | "archive", expected: Lead[], message: string) {
  assert.deepEqual(await under.leads(table), expected, message);
}

/**
 * The guarantees of a `LeadStore`, as checks that reject if one is violated. Each check needs its own empty tables.
 *
 * @example for (const { name, check } of leadStoreContract) test(name, async () => check(await openStore()));
 */
export const leadStoreContract: { name: string; check(under: StoreUnderTest): Promise<void> }[] = (
  ["dearchive", "archive"] as const
).flatMap((verb) => {
  const { from, to } = sides[verb];
  return [
    {
      name: `${verb}: finds only leads of the source`,
      async check(under) {
        await under.fill(from, [makeLead(0), makeLead(2)]);
        await under.fill(to, [makeLead(3)]);
        assert.deepEqual(await under.store.findInSource(verb, [0, 1, 2, 3]), new Set([0, 2]));
        assert.deepEqual(await under.store.findInSource(verb, []), new Set());
      },
    },
    {
      name: `${verb}: moves every column and no other lead`,
      async check(under) {
        const leads = [0, 1, 2, 3].map((id) => makeLead(id, { comments: id === 1 ? null : `No. ${id} ` }));
        await under.fill(from, leads);
        const { counts, results } = await run(under, verb, [0, 1, 2]);
        assert.deepEqual(counts, { select_count: 3, insert_count: 3, update_count: 0, delete_count: 3 });
        assert.deepEqual(
          results.map(({ id, source, target, inserted, deleted }) => ({ id, source, target, inserted, deleted })),
          [0, 1, 2].map((id) => ({ id, source: true, target: false, inserted: true, deleted: true })),
        );
        await expectLeads(under, to, leads.slice(0, 3), "moved leads must be unchanged");
        await expectLeads(under, from, leads.slice(3), "other leads must stay");
      },
    },
    {
      name: `${verb}: keeps a lead without a copy`,
      async check(under) {
        await under.fill(from, [makeLead(1)]);
        const { counts, results } = await run(under, verb, [1], { insert: false });
        assert.deepEqual(counts, { select_count: 1, insert_count: 0, update_count: 0, delete_count: 0 });
        assert.equal(results[0]?.deleted, false);
        assert.deepEqual([await under.leads(from), await under.leads(to)], [[makeLead(1)], []]);
      },
    },
    {
      name: `${verb}: leaves duplicates without delete, and deletes them later`,
      async check(under) {
        await under.fill(from, [makeLead(1)]);
        await run(under, verb, [1], { delete: false });
        assert.deepEqual([await under.leads(from), await under.leads(to)], [[makeLead(1)], [makeLead(1)]]);
        const { counts } = await run(under, verb, [1]);
        assert.deepEqual(counts, { select_count: 1, insert_count: 0, update_count: 0, delete_count: 1 });
        assert.deepEqual([await under.leads(from), await under.leads(to)], [[], [makeLead(1)]]);
      },
    },
    {
      name: `${verb}: keeps both differing rows and names their columns`,
      async check(under) {
        const theirs: Partial<Lead>[] = [
          { first_name: "jose" },
          { first_name: "José" },
          { last_name: "Smith " },
          { comments: "" },
          { called_count: 9, rank: 9 },
          { modify_date: "2025-06-15 16:45:31" },
        ];
        const ours = theirs.map((_, id) => makeLead(id, { first_name: "Jose", last_name: "Smith", comments: null }));
        const duplicates = theirs.map((changes, id) => ({ ...(ours[id] as Lead), ...changes }));
        await under.fill(from, ours);
        await under.fill(to, duplicates);
        const { counts, results } = await run(under, verb, pickIds(ours));
        assert.deepEqual(counts, { select_count: 6, insert_count: 0, update_count: 0, delete_count: 0 });
        assert.deepEqual(
          results.map(({ differs }) => [...differs].sort()),
          theirs.map((changes) => Object.keys(changes).sort()),
        );
        await expectLeads(under, from, ours, "the source's copy must be kept");
        await expectLeads(under, to, duplicates, "the target's copy must not be overwritten");
      },
    },
    {
      name: `${verb}: distinguishes moved leads from missing leads`,
      async check(under) {
        await under.fill(to, [makeLead(2)]);
        const { counts, results } = await run(under, verb, [2, 3]);
        assert.equal(counts.select_count, 0);
        assert.deepEqual(
          results.map(({ id, source, target }) => ({ id, source, target })),
          [
            { id: 2, source: false, target: true },
            { id: 3, source: false, target: false },
          ],
        );
      },
    },
    {
      name: `${verb}: rejects an all-or-nothing move with missing leads`,
      async check(under) {
        const leads = [1, 3, 4, 6].map((id) => makeLead(id));
        await under.fill(from, leads);
        await under.fill(to, [makeLead(2)]);
        const moved = run(under, verb, [1, 2, 3, 4, 5, 6], { allOrNothing: true });
        const error = await moved.then(
          () => undefined,
          (error: unknown) => error,
        );
        assert.ok(AllOrNothingRefused.is(error), "the move must be refused");
        assert.deepEqual(error.missing, [2, 5]);
        await expectLeads(under, from, leads, "nothing may be taken from the source");
        await expectLeads(under, to, [makeLead(2)], "nothing may be copied to the target");
        const { counts } = await run(under, verb, [1, 3, 4], { allOrNothing: true });
        assert.equal(counts.delete_count, 3);
      },
    },
    {
      name: `${verb}: updates only rows of the same lead, without delete too`,
      async check(under) {
        const ours = [
          makeLead(1, { comments: "new" }),
          makeLead(2, { entry_date: "2026-05-05 05:05:05", phone_number: "9" }),
        ];
        const theirs = [makeLead(1), makeLead(2)];
        await under.fill(from, ours);
        await under.fill(to, theirs);
        const { counts, results } = await run(under, verb, [1, 2], { update: true, delete: false });
        assert.deepEqual(counts, { select_count: 2, insert_count: 0, update_count: 1, delete_count: 0 });
        assert.deepEqual(
          results.map(({ updated, differs }) => [updated, [...differs].sort()]),
          [
            [true, []],
            [false, ["entry_date", "phone_number"]],
          ],
        );
        await expectLeads(
          under,
          to,
          [ours[0] as Lead, theirs[1] as Lead],
          "only the lead's own copy may be overwritten",
        );
        const { counts: then } = await run(under, verb, [1, 2], { update: true });
        assert.deepEqual(then, { select_count: 2, insert_count: 0, update_count: 0, delete_count: 1 });
        await expectLeads(under, from, [ours[1] as Lead], "both of the two leads must be kept");
      },
    },
    {
      name: `${verb}: updates a stale duplicate and counts no other`,
      async check(under) {
        const ours = [makeLead(1, { status: "SALE", comments: null }), makeLead(2), makeLead(3)];
        await under.fill(from, ours);
        await under.fill(to, [makeLead(1, { comments: "stale" }), makeLead(2)]);
        const { counts, results } = await run(under, verb, [1, 2, 3], { update: true });
        assert.deepEqual(counts, { select_count: 3, insert_count: 1, update_count: 1, delete_count: 3 });
        assert.deepEqual(
          results.map(({ updated }) => updated),
          [true, false, false],
        );
        await expectLeads(under, to, ours, "the target must hold what the source held");
        await expectLeads(under, from, [], "nothing may be left in the source");
      },
    },
  ] satisfies typeof leadStoreContract;
});
