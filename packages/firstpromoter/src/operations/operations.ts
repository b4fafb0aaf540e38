import {
  defineFlagOperation,
  defineOperation,
  type Flagged,
  type Host,
  type Operation,
  type Opposite,
  type Outcome,
  type Work,
} from "@reinstate/batch-core";
import * as z from "zod";
import type { Options } from "../options.ts";
import { add, assignParent, move, notFoundText, type RuleResult, setState } from "../promoters/rules.ts";
import type { CampaignState } from "../schemas.ts";
import type { PromoterState, PromoterStore } from "../store/store.ts";

const id = z.union([z.int().min(1), z.string().regex(/^\s*0*[1-9]\d{0,14}\s*$/)]).transform(Number);
const flag = z.union([z.boolean(), z.literal([0, 1]).transform(Boolean), z.stringbool()]);

const noParams = z.strictObject({});
const inCampaign = z.strictObject({ campaign_id: id });

/** Returns the name of an action's operation in the batch core. */
export const operationName = (action: string) => `firstpromoter.promoters.${action}`;

/** A batch action with rules of its own. Source: the promoters pages of the vendor's API reference. */
interface Action<Params> {
  params: z.ZodObject & z.ZodType<Params>;
  opposite?: Opposite<Params>;
  apply(work: Work<number, Params>, store: PromoterStore, now: number): Promise<Outcome[]>;
}

/** A batch action that archives or restores promoters. */
interface FlagAction<Params> {
  params: z.ZodObject & z.ZodType<Params>;
  opposite?: Opposite<Params>;
  change(work: Work<number, Params>, store: PromoterStore, now: number): Promise<Flagged<number>>;
  /** The code of a promoter that already has the target state. */
  unchanged: string;
}

type AnyAction = Action<unknown> | FlagAction<unknown>;

const action = <Params>(entry: Action<Params> | FlagAction<Params>) => entry as AnyAction;

/** Creates accept, reject and block, which set the state in one campaign. */
const stateAction = (state: CampaignState) =>
  action({
    params: inCampaign,
    apply: (work, store) =>
      applyRule(work, store, [work.params.campaign_id], {
        rule: (promoter) => setState(promoter, work.params.campaign_id, state),
        change: (ids) => store.setStates(work.account, ids, work.params.campaign_id, state, work.transaction),
      }),
  });

/** The batch actions by the last part of their path, `POST /promoters/{name}`. */
export const actions = {
  restore: action({
    params: noParams,
    opposite: { operation: operationName("archive"), params: () => ({}) },
    unchanged: "not_archived",
    change: ({ account, items, transaction }, store, now) => store.restore(account, items, now, transaction),
  }),
  archive: action({
    params: noParams,
    opposite: { operation: operationName("restore"), params: () => ({}) },
    unchanged: "already_archived",
    change: ({ account, items, transaction, batchId }, store, now) =>
      store.archive(account, items, now, transaction, batchId),
  }),
  accept: stateAction("accepted"),
  reject: stateAction("rejected"),
  block: stateAction("blocked"),
  move_to_campaign: action({
    params: z.strictObject({
      from_campaign_id: id,
      to_campaign_id: id,
      drip_emails: flag.optional(),
      soft_move_referrals: flag.optional(),
    }),
    opposite: {
      operation: operationName("move_to_campaign"),
      params: ({ from_campaign_id, to_campaign_id, soft_move_referrals }) => ({
        from_campaign_id: to_campaign_id,
        to_campaign_id: from_campaign_id,
        ...(soft_move_referrals !== undefined && { soft_move_referrals }),
      }),
    },
    apply(work, store) {
      const { from_campaign_id: from, to_campaign_id: to } = work.params;
      return applyRule(work, store, [from, to], {
        rule: (promoter) => move(promoter, from, to),
        change: (ids) => store.moveMemberships(work.account, ids, from, to, work.transaction),
      });
    },
  }),
  add_to_campaign: action({
    params: z.strictObject({ campaign_id: id, drip_emails: flag.optional() }),
    apply: (work, store, now) =>
      applyRule(work, store, [work.params.campaign_id], {
        rule: (promoter) => add(promoter, work.params.campaign_id),
        change: (ids) =>
          store.addMemberships(work.account, ids, work.params.campaign_id, "accepted", now, work.transaction),
      }),
  }),
  assign_parent: action({
    params: z.strictObject({ parent_promoter_id: id }),
    async apply(work, store, now) {
      const parent = work.params.parent_promoter_id;
      await store.lockParents(work.account, work.transaction);
      const lineage = await store.lineage(work.account, parent, work.transaction);
      if (lineage.length === 0) {
        return work.items.map((key) => failed(key, "parent_not_found", `Parent promoter ${parent} not found`));
      }
      return applyRule(work, store, [], {
        rule: (promoter) => assignParent(promoter, lineage),
        change: (ids) => store.setParent(work.account, ids, parent, now, work.transaction),
      });
    },
  }),
} as const satisfies Record<string, AnyAction>;

/** The last part of an action's path. */
export type ActionName = keyof typeof actions;

/** Names of the column with promoter ids in uploaded tables. */
export const itemColumns = ["promoter_id"];

/** Restores what one archive batch archived, if it is unchanged since. FirstPromoter has no such action. */
const undoArchive = action({
  params: z.strictObject({ batch_id: id }),
  unchanged: "changed_since",
  change: ({ account, items, params, transaction }, store, now) =>
    store.undoArchive(account, items, params.batch_id, now, transaction),
});

/** Creates the operations of all actions. They run in the ledger's own database, so each takes effect exactly once. */
export function createOperations(
  host: Host,
  store: PromoterStore,
  { syncLimit }: Options,
): Operation<number, unknown>[] {
  return Object.entries<AnyAction>({ ...actions, undo_archive: undoArchive }).map(([name, action]) => {
    const role = (["restore", "archive"] as const).find((role) => role === name);
    const declared = {
      name: operationName(name),
      label: `promoter/${name}`,
      ...(role && { role }),
      item: z.int().min(1),
      columns: itemColumns,
      params: action.params,
      ...(action.opposite && { opposite: action.opposite }),
      chunkSize: 500,
      inlineLimit: syncLimit,
    };
    if ("change" in action) {
      return defineFlagOperation<number, unknown>({
        ...declared,
        clock: host.clock,
        change: (work, now) => action.change(work, store, now),
        unchanged: action.unchanged,
        notFound: notFoundText,
      });
    }
    return defineOperation<number, unknown>({
      ...declared,
      key: (promoter: number) => promoter,
      apply: (work) => action.apply(work, store, host.clock.now()),
    });
  });
}

/** Applies a rule to a set of promoters: reads their states once, and writes all that change at once. */
async function applyRule<Params>(
  { account, items, transaction }: Work<number, Params>,
  store: PromoterStore,
  campaignIds: number[],
  { rule, change }: { rule(promoter: PromoterState): RuleResult; change(ids: number[]): Promise<void> },
): Promise<Outcome[]> {
  const known = new Set((await store.campaigns(account, campaignIds, transaction)).map(({ id }) => id));
  const missing = campaignIds.find((id) => !known.has(id));
  if (missing !== undefined) {
    return items.map((key) => failed(key, "campaign_not_found", `Campaign ${missing} not found`));
  }
  const states = await store.readStates(account, items, campaignIds, transaction);
  const results = new Map(states.map((promoter) => [promoter.id, rule(promoter)]));
  const changing = items.filter((id) => results.get(id) === "change");
  if (changing.length > 0) await change(changing);
  return items.map((key) => {
    const result = results.get(key);
    if (result === undefined) return failed(key, "not_found", notFoundText(key));
    if (result === "change") return { key, outcome: "done" };
    if ("failed" in result) return failed(key, result.code, result.failed);
    return { key, outcome: "skipped", code: result.unchanged };
  });
}

function failed(key: number, code: string, message: string): Outcome {
  return { key, outcome: "failed", code, message };
}
