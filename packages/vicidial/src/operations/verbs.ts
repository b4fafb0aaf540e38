import type { Role } from "@reinstate/batch-core";
import type { Verb } from "../leads/move-types.ts";

/** The column names under which a table of items may hold lead ids. */
export const itemColumns = ["lead_id"];

export const operationName = (verb: Verb) => `vicidial.leads.${verb}`;

/** The general command of each verb. */
export const roles = { dearchive: "restore", archive: "archive" } as const satisfies Record<Verb, Role>;

/** A whole move: the lead is copied, and the original is deleted. */
export const usualParams = {
  dearchive: { insert_leads: true, delete_leads: true },
  archive: { insert_leads: true, update_leads: true, delete_leads: true },
} as const satisfies Record<Verb, object>;
