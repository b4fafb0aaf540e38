/** The reason for which an open batch makes no progress; see `waitReasons`. */
export type WaitReason = (typeof waitReasons)[number];

/**
 * Why an open batch makes no progress:
 *
 * - `rate_limit`: the limits of its operation, on calls a second or on chunks at once.
 * - `office_hours`: the operation is not allowed at this time.
 * - `vendor`: the vendor does not answer, or lets us do nothing.
 * - `backoff`: every chunk that is left has failed and is retried later.
 * - `storage`: a database or disk is full, read-only or failing.
 */
export const waitReasons = ["rate_limit", "office_hours", "vendor", "backoff", "storage"] as const;
