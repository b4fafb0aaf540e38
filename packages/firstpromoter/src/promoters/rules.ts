import type { CampaignState } from "../schemas.ts";
import type { Standing } from "../store/store.ts";

/** What a rule says about one promoter: change him, leave him as he is, or refuse with a text that names him. */
export type Verdict = "change" | { unchanged: string } | { refused: string; code: string };

/** The text of `processing_errors` for an id that is nobody's, or another account's: the two look the same. */
export const notFoundText = (id: number | string) => `Promoter ${id} not found`;

/** The state that a promoter shows in a campaign: while he is archived, the remembered one is not shown. */
export function shownState(
  state: CampaignState,
  archived: boolean,
  archivedState: "blocked" | "inactive" | "kept",
): CampaignState {
  return archived && archivedState !== "kept" ? archivedState : state;
}

/** Accept, reject and block: the state in one campaign that the promoter is in already. */
export function setState(promoter: Standing, campaignId: number, state: CampaignState): Verdict {
  if (promoter.archived) return archived(promoter);
  const current = promoter.states.get(campaignId);
  if (current === undefined) return notInCampaign(promoter, campaignId);
  return current === state ? { unchanged: `already_${state}` } : "change";
}

/** The membership goes from one campaign to the other; who is only in the other has been moved already. */
export function move(promoter: Standing, from: number, to: number): Verdict {
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

export function add(promoter: Standing, campaignId: number): Verdict {
  if (promoter.archived) return archived(promoter);
  return promoter.states.has(campaignId) ? { unchanged: "already_in_campaign" } : "change";
}

/** `lineage`: the parent to be, with all his parents. Nobody may become his own ancestor. */
export function assignParent(promoter: Standing, lineage: readonly number[]): Verdict {
  if (lineage.includes(promoter.id)) {
    return {
      refused: `Promoter ${promoter.id} cannot be below promoter ${lineage[0]}: that would be a circle`,
      code: "circle",
    };
  }
  return promoter.parent_id === lineage[0] ? { unchanged: "already_assigned" } : "change";
}

function archived({ id }: Standing): Verdict {
  return { refused: `Promoter ${id} is archived`, code: "archived" };
}

function notInCampaign({ id }: Standing, campaignId: number): Verdict {
  return { refused: `Promoter ${id} is not in campaign ${campaignId}`, code: "not_in_campaign" };
}
