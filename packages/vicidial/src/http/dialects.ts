import type { Verb } from "../leads/move.ts";

/** Everything that a call can be answered with. */
export const reasons = [
  "processed",
  "unauthorized",
  "office_hours",
  "insert_leads",
  "update_leads",
  "delete_leads",
  "integers",
  "empty",
  "exceed",
  "duplicates",
  "missing",
  "other",
] as const;
export type Reason = (typeof reasons)[number];

/** How one call answers in one dialect, as data. */
export interface Dialect {
  /** HTTP status, and the code in the body where there is one. */
  statuses: Record<Reason, number>;
  /** `other` has no text of its own. */
  messages: Record<Exclude<Reason, "other">, string>;
  /** The name of the message in the answer to a success and to an error. */
  successKey: string;
  errorKey: string;
  /** The name of the code in the body; without it the status alone tells. */
  codeKey?: string;
  /** Which reasons carry a count and a list of leads, and under which names. */
  lists: Partial<Record<Reason, { counts: readonly string[]; ids: string }>>;
}

const current: Dialect = {
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
    // The document is not clear which of the two names this one answer has.
    missing: { counts: ["lead_errors", "lead_count"], ids: "lead_ids" },
    other: { counts: ["lead_errors"], ids: "lead_ids" },
  },
};

const legacyLists: Dialect["lists"] = {
  integers: { counts: ["lead_count"], ids: "lead_ids" },
  duplicates: { counts: ["lead_count"], ids: "lead_ids" },
  missing: { counts: ["lead_count"], ids: "values" },
};

/** Dearchive with statuses of its own, also in the body. */
const l2: Dialect = {
  ...current,
  statuses: {
    processed: 200,
    unauthorized: 401,
    office_hours: 441,
    insert_leads: 442,
    // Dearchive has no such flag.
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

/** The first dearchive: the same numbers under other names. */
const l1: Dialect = { ...l2, successKey: "success", errorKey: "error", codeKey: "status_code" };

/** The standard statuses, still in the body. */
const l3: Dialect = {
  ...current,
  codeKey: "http_code",
  lists: { ...legacyLists, missing: { counts: ["lead_count"], ids: "lead_ids" } },
};

/** The first archive: a numbering of its own, which shares nothing with dearchive's. */
const a1: Dialect = {
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

/** Dearchive and archive each have their own table in every dialect; the numbers of the two are never mixed. */
export const dialects = {
  current: { dearchive: current, archive: current },
  L1: { dearchive: l1, archive: a1 },
  L2: { dearchive: l2, archive: a1 },
  L3: { dearchive: l3, archive: l3 },
} satisfies Record<string, Record<Verb, Dialect>>;

export type DialectName = keyof typeof dialects;

export const dialectNames = Object.keys(dialects) as [DialectName, ...DialectName[]];
