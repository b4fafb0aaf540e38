import { ReinstateError } from "@reinstate/batch-core";
import { type LeadFilter, leadFilter, toDateTime } from "../schemas.ts";

/** The conditions of a filter, all of which a lead must meet. */
export interface LeadConditions {
  /** Columns whose value must be one of those listed, exactly. */
  equal: { column: "list_id" | "status" | "phone_number"; values: (string | number)[] }[];
  /** Campaigns to one of which the lead's list must belong. */
  campaigns?: string[];
  /** The earliest `entry_date`, included, as `YYYY-MM-DD HH:MM:SS`. */
  from?: string;
  /** The latest `entry_date`, excluded. */
  before?: string;
}

/**
 * Returns the conditions of a filter. Every store builds its query from them, so no store sees a value that was not validated.
 *
 * @throws ReinstateError `invalid_request` with the path of the first malformed value.
 */
export function toConditions(filter: LeadFilter): LeadConditions {
  const parsed = leadFilter.safeParse(filter);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => ({ path: ["filter", ...path].join("."), message }));
    throw new ReinstateError("invalid_request", `${issues[0]?.path}: ${issues[0]?.message}`, { issues });
  }
  const { campaign_id, entry_date_from, entry_date_before } = parsed.data;
  const conditions: LeadConditions = { equal: [] };
  for (const column of ["list_id", "status", "phone_number"] as const) {
    const value = parsed.data[column];
    if (value !== undefined) conditions.equal.push({ column, values: [value].flat() });
  }
  if (campaign_id !== undefined) conditions.campaigns = [campaign_id].flat();
  if (entry_date_from !== undefined) conditions.from = toDateTime(entry_date_from);
  if (entry_date_before !== undefined) conditions.before = toDateTime(entry_date_before);
  return conditions;
}
