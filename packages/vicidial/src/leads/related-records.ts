/** What else hangs on a lead and was not moved with it: how many of each. */
export const relatedRecordNames = [
  /** Callbacks that VICIdial has put away because the lead was not live. */
  "archived_callbacks",
  /** Custom fields whose table or row is gone. */
  "lost_custom_fields",
  "alt_phones",
  /** The lead's list is not active, or not there: it is not dialled. */
  "inactive_lists",
  /** The lead's number is in the list of those not to be called. */
  "dnc_numbers",
] as const;

export type RelatedRecords = Record<(typeof relatedRecordNames)[number], number>;

export const noRelatedRecords = (): RelatedRecords =>
  Object.fromEntries(relatedRecordNames.map((name) => [name, 0])) as RelatedRecords;
