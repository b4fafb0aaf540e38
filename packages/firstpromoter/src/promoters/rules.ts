import type { CampaignState } from "../schemas.ts";
import type { PromoterState } from "../store/store.ts";

/** The result of a rule for one promoter: change it, leave it unchanged, or fail with a text that names it. */
export type RuleResult = "change" | { unchanged: string } | { failed: string; code: string };

/** The text of `processing_errors` for an id that does not exist, or is another account's. Both get the same text. */
export const notFoundText = (id: number | string) => `Promoter ${id} not found`;

/** Returns the state that a promoter shows in a campaign. An archived promoter hides the stored state, unless it is `kept`. */
export function shownState(
  state: CampaignState,
  archived: boolean,
  archivedState: "blocked" | "inactive" | "kept",
): CampaignState {
  return archived && archivedState !== "kept" ? archivedState : state;
}

/** Accept, reject and block: sets the state in one campaign. The promoter must be a member already. */
export function setState(promoter: PromoterState, campaignId: number, state: CampaignState): RuleResult {
  if (promoter.archived) return failArchived(promoter);
  const current = promoter.states.get(campaignId);
  if (current === undefined) return failNotInCampaign(promoter, campaignId);
  return current === state ? { unchanged: `already_${state}` } : "change";
}

/** Moves a membership from one campaign to the other. A promoter that is only in the other has been moved already. */
export function move(promoter: PromoterState, from: number, to: number): RuleResult {
  if (promoter.archived) return failArchived(promoter);
  if (!promoter.states.has(from)) {
    return promoter.states.has(to) ? { unchanged: "already_moved" } : failNotInCampaign(promoter, from);
  }
  if (from === to) return { unchanged: "already_moved" };
  if (promoter.states.has(to)) {
    return { failed: `Promoter ${promoter.id} is already in campaign ${to}`, code: "already_in_campaign" };
  }
  return "change";
}

/** Adds a promoter to a campaign. */
export function add(promoter: PromoterState, campaignId: number): RuleResult {
  if (promoter.archived) return failArchived(promoter);
  return promoter.states.has(campaignId) ? { unchanged: "already_in_campaign" } : "change";
}

/** Sets the parent of a promoter. `lineage`: the new parent and its ancestors. No promoter may become its own ancestor. */
export function assignParent(promoter: PromoterState, lineage: readonly number[]): RuleResult {
  if (lineage.includes(promoter.id)) {
    return {
      failed: `Promoter ${promoter.id} cannot be below promoter ${lineage[0]}: that would be a circle`,
      code: "circle",
    };
  }
  return promoter.parent_id === lineage[0] ? { unchanged: "already_assigned" } : "change";
}

function failArchived({ id }: PromoterState): RuleResult {
  return { failed: `Promoter ${id} is archived`, code: "archived" };
}

function failNotInCampaign({ id }: PromoterState, campaignId: number): RuleResult {
  return { failed: `Promoter ${id} is not in campaign ${campaignId}`, code: "not_in_campaign" };
}
