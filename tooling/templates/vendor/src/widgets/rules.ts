import type { WidgetId } from "../schemas.ts";

// FILL: the rules that decide whether a record may change, as pure functions. A change of the flag alone needs none.

/** The codes of records that are in the wanted state already. */
export const unchangedCodes = { restore: "not_deleted", delete: "already_deleted" } as const;

/** The message for an id that is not there, or in another account. The two look the same. */
export const notFoundText = (id: WidgetId) => `Widget ${id} not found`;
