import type { Verb } from "../leads/move-types.ts";

/**
 * The kind of an answer. What depends on it: its status, text and properties here, its reason phrase in `replies.ts`, its example
 * in `openapi.ts`, and its schema in `fixtures/dialect-replies.ts`. The order of the checks is in `routes.ts`.
 */
export type Reason =
  | "processed"
  | "unauthorized"
  | "office_hours"
  | "insert_leads"
  | "update_leads"
  | "delete_leads"
  | "integers"
  | "empty"
  | "exceed"
  | "duplicates"
  | "missing"
  | "other";

/** A kind of error answer. */
export type ErrorReason = Exclude<Reason, "processed">;

/** When a call ends with each error, for the reference. */
export const errorCauses: Record<ErrorReason, string> = {
  unauthorized: "The key is missing, unknown or revoked.",
  office_hours: "The office-hours policy does not allow the call now.",
  insert_leads: "insert_leads is missing or is no boolean.",
  update_leads: "update_leads is missing or is no boolean.",
  delete_leads: "delete_leads is missing or is no boolean.",
  integers: "A value of lead_ids is no integer. The list has these values.",
  empty: "lead_ids is missing or has no value.",
  exceed: "lead_ids has more values than one call may have.",
  duplicates: "A lead occurs twice. The list has the leads.",
  missing: "A lead is not in the table that it would be moved from. No lead was moved; the list has the leads.",
  other: "The body is not JSON, a lead does not fit the target table, or an unexpected error. No lead was moved.",
};

/**
 * The answers of one call in one dialect, as data. To add a dialect, add its data to `dialects` below. The options `dialect` and
 * `legacyDialect`, the option of a key and the routes read its name from there.
 */
export interface ReplyDialect {
  /** The HTTP status, and the code in the body if the dialect has one. */
  statuses: Record<Reason, number>;
  /** `other` has no text of its own. */
  messages: Record<Exclude<Reason, "other">, string>;
  /** The property of the message in an answer to a success, and to an error. */
  successKey: string;
  errorKey: string;
  /** The property of the code in the body; undefined if there is none. */
  codeKey?: string;
  /** The properties of counts and of the list of leads, for each reason that has them. */
  lists: Partial<Record<Reason, { counts: readonly string[]; ids: string }>>;
}

const current: ReplyDialect = {
  statuses: {
    processed: 200,
    unauthorized: 401,
    office_hours: 403,
    insert_leads: 400,
    update_leads: 400,
    delete_leads: 400,
    integers: 400,
    empty: 400,
    exceed: 400,
    duplicates: 400,
    missing: 400,
    other: 500,
  },
  messages: {
    processed: "lead_ids batch was successfully processed",
    unauthorized: "unable to validate api user",
    office_hours: "api cannot be executed during office hours time condition",
    insert_leads: "insert_leads must be a boolean value",
    update_leads: "update_leads must be a boolean value",
    delete_leads: "delete_leads must be a boolean value",
    integers: "lead_ids must only contain integer values",
    empty: "lead_ids must contain atleast 1 value",
    exceed: "lead_ids cannot exceed 500 values",
    duplicates: "lead_ids cannot contain duplicate values",
    missing: "lead_ids does not exist",
  },
  successKey: "message",
  errorKey: "message",
  lists: {
    insert_leads: { counts: ["lead_errors"], ids: "lead_ids" },
    update_leads: { counts: ["lead_errors"], ids: "lead_ids" },
    delete_leads: { counts: ["lead_errors"], ids: "lead_ids" },
    integers: { counts: ["lead_errors"], ids: "lead_ids" },
    empty: { counts: ["lead_errors"], ids: "lead_ids" },
    exceed: { counts: ["lead_errors"], ids: "lead_ids" },
    duplicates: { counts: ["lead_errors"], ids: "lead_ids" },
    // The document is unclear about which of the two names this answer has.
    missing: { counts: ["lead_errors", "lead_count"], ids: "lead_ids" },
    other: { counts: ["lead_errors"], ids: "lead_ids" },
  },
};

const legacyLists: ReplyDialect["lists"] = {
  integers: { counts: ["lead_count"], ids: "lead_ids" },
  duplicates: { counts: ["lead_count"], ids: "lead_ids" },
  missing: { counts: ["lead_count"], ids: "values" },
};

/** The second dialect of dearchive: its own statuses, also in the body. */
const l2: ReplyDialect = {
  ...current,
  statuses: {
    processed: 200,
    unauthorized: 401,
    office_hours: 441,
    insert_leads: 442,
    // Unused: dearchive has no such flag.
    update_leads: 442,
    delete_leads: 443,
    integers: 444,
    empty: 445,
    exceed: 446,
    duplicates: 447,
    missing: 448,
    other: 449,
  },
  codeKey: "http_code",
  lists: legacyLists,
};

/** The first dialect of dearchive: the same numbers under other property names. */
const l1: ReplyDialect = { ...l2, successKey: "success", errorKey: "error", codeKey: "status_code" };

/** The third dialect: standard statuses, also in the body. */
const l3: ReplyDialect = {
  ...current,
  codeKey: "http_code",
  lists: { ...legacyLists, missing: { counts: ["lead_count"], ids: "lead_ids" } },
};

/** The first dialect of archive: its own numbers, which are unrelated to dearchive's. */
const a1: ReplyDialect = {
  statuses: {
    processed: 200,
    unauthorized: 401,
    insert_leads: 432,
    update_leads: 433,
    delete_leads: 434,
    integers: 435,
    empty: 436,
    exceed: 437,
    duplicates: 438,
    missing: 439,
    other: 440,
    office_hours: 441,
  },
  messages: {
    ...current.messages,
    processed: "lead batch was successfully processed",
    office_hours: "api cannot be executed during specified office hours time condition",
    missing: "specified lead_ids does not exist",
  },
  successKey: "success",
  errorKey: "error",
  codeKey: "status_code",
  lists: legacyLists,
};

/** The dialects by name. Each verb has its own table, because their numbers differ. */
export const dialects = {
  current: { dearchive: current, archive: current },
  L1: { dearchive: l1, archive: a1 },
  L2: { dearchive: l2, archive: a1 },
  L3: { dearchive: l3, archive: l3 },
} satisfies Record<string, Record<Verb, ReplyDialect>>;

/** The name of a dialect. */
export type DialectName = keyof typeof dialects;

/** The names of all dialects. */
export const dialectNames = Object.keys(dialects) as [DialectName, ...DialectName[]];
