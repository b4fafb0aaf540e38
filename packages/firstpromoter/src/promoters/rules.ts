import type { CampaignState } from "../schemas.ts";
import type { PromoterState } from "../store/store.ts";

/** The result of a rule for one promoter: change it, leave it unchanged, or fail with a text that names it. */
export type Verdict = "change" | { unchanged: string } | { refused: string; code: string };

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
export function setState(promoter: PromoterState, campaignId: number, state: CampaignState): Verdict {
  if (promoter.archived) return archived(promoter);
  const current = promoter.states.get(campaignId);
  if (current === undefined) return notInCampaign(promoter, campaignId);
  return current === state ? { unchanged: `already_${state}` } : "change";
}

/** Moves a membership from one campaign to the other. A promoter that is only in the other has been moved already. */
export function move(promoter: PromoterState, from: number, to: number): Verdict {
  if (promoter.archived) return archived(promoter);
  if (!promoter.states.has(from)) {
    return promoter.states.has(to) ? { unchanged: "already_moved" } : notInCampaign(promoter, from);
  }
  if (from === to) return { unchanged: "already_moved" };
  if (promoter.states.has(to)) {
    return { refused: `Promoter ${promoter.id} is already in campaign ${to}`, code: "already_in_campaign" };
  }
  return "change";
}

/** Adds a promoter to a campaign. */
export function add(promoter: PromoterState, campaignId: number): Verdict {
  if (promoter.archived) return archived(promoter);
  return promoter.states.has(campaignId) ? { unchanged: "already_in_campaign" } : "change";
}

/** Sets the parent of a promoter. `lineage`: the new parent and its ancestors. No promoter may become its own ancestor. */
export function assignParent(promoter: PromoterState, lineage: readonly number[]): Verdict {
  if (lineage.includes(promoter.id)) {
    return {
      refused: `Promoter ${promoter.id} cannot be below promoter ${lineage[0]}: that would be a circle`,
      code: "circle",
    };
  }
  return promoter.parent_id === lineage[0] ? { unchanged: "already_assigned" } : "change";
}

function archived({ id }: PromoterState): Verdict {
  return { refused: `Promoter ${id} is archived`, code: "archived" };
}

function notInCampaign({ id }: PromoterState, campaignId: number): Verdict {
  return { refused: `Promoter ${id} is not in campaign ${campaignId}`, code: "not_in_campaign" };
}
