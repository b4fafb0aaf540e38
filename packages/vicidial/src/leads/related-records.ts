/**
 * Kinds of records that belong to a lead and do not move with it. They are counted, and none of them prevents a move.
 * `splitOffLeadsOnCall` of `operations/operations.ts` is the place for what prevents one.
 */
export const relatedRecordNames = [
  /** Callbacks that VICIdial archived because the lead was not live. */
  "archived_callbacks",
  /** Custom fields whose table or row no longer exists. */
  "lost_custom_fields",
  "alt_phones",
  /** The lead's list is inactive or does not exist, so the lead is not dialled. */
  "inactive_lists",
  /** The lead's number is on the do-not-call list. */
  "dnc_numbers",
] as const;

/** The number of related records by kind. */
export type RelatedRecords = Record<(typeof relatedRecordNames)[number], number>;

export const noRelatedRecords = (): RelatedRecords =>
  Object.fromEntries(relatedRecordNames.map((name) => [name, 0])) as RelatedRecords;
