import * as z from "zod";
import { relatedRecordNames } from "./leads/related-records.ts";

/** Source: TForge, "VICIdial API - Lead Dearchive" and "VICIdial API - Lead Archive". */
const leadIds = z.array(z.int().min(0)).min(1);

/** The body of `POST /vicidial/leads/dearchive`: at most 500 distinct leads. */
export const dearchiveRequest = z.strictObject({
  /** Copies the leads from the archive, except leads that are already live. */
  insert_leads: z.boolean(),
  /** Deletes leads from the archive if the live table has an equal row. */
  delete_leads: z.boolean(),
  lead_ids: leadIds,
});
/** The body of `POST /vicidial/leads/dearchive`. */
export type DearchiveRequest = z.infer<typeof dearchiveRequest>;

/** The body of `POST /vicidial/leads/archive`. */
export const archiveRequest = z.strictObject({
  insert_leads: z.boolean(),
  /** Overwrites differing copies in the archive with the live rows. */
  update_leads: z.boolean(),
  delete_leads: z.boolean(),
  lead_ids: leadIds,
});
/** The body of `POST /vicidial/leads/archive`. */
export type ArchiveRequest = z.infer<typeof archiveRequest>;

const count = z.int().min(0);

/** The numbers of rows found in the source, inserted and deleted. If fewer were deleted than found, differing copies were kept. */
export const dearchiveReply = z.object({
  message: z.string(),
  select_count: count,
  insert_count: count,
  delete_count: count,
});
/** The reply to a dearchive. */
export type DearchiveReply = z.infer<typeof dearchiveReply>;

/** The reply to an archive. */
export const archiveReply = z.object({
  message: z.string(),
  select_count: count,
  insert_count: count,
  update_count: count,
  delete_count: count,
});
/** The reply to an archive. */
export type ArchiveReply = z.infer<typeof archiveReply>;

/** The body of an error. 401 and 403 have only the message; other errors list the leads at fault. */
export const errorReply = z.object({
  message: z.string(),
  lead_errors: count.optional(),
  lead_count: count.optional(),
  lead_ids: z.array(z.unknown()).optional(),
});
/** The body of an error. */
export type ErrorReply = z.infer<typeof errorReply>;

const relatedRecords = z.partialRecord(z.enum(relatedRecordNames), count);

/** The reply to a call with `explain=true`: the state of each lead, and the outcome that the call would have. */
export const explainReply = z.strictObject({
  message: z.string(),
  select_count: count,
  leads: z.array(
    z.strictObject({
      /** A string if no number holds the id exactly. */
      lead_id: z.union([z.int(), z.string()]),
      verdict: z.enum(["archive_only", "live_only", "both_equal", "both_differ", "id_collision", "missing"]),
      columns: z.array(z.string()).optional(),
      live: z.boolean(),
      archive: z.boolean(),
      outcome: z.enum(["done", "skipped", "failed", "unknown"]),
      code: z.string().optional(),
      related_records: relatedRecords.optional(),
    }),
  ),
});
/** The reply to a call with `explain`. */
export type ExplainReply = z.infer<typeof explainReply>;

/** The item of both operations: a lead id. */
export const leadId = z.int().min(0);

/** The maximum number of values in one condition of a filter. */
const maxFilterValues = 1000;

function oneOrMore<Value extends z.ZodType>(accept: (error: string) => Value, what: string) {
  const error = `must be ${what}, or a list of 1 to ${maxFilterValues} of them`;
  const value = accept(error);
  return z.union([value, z.array(value).min(1, error).max(maxFilterValues, error)], { error });
}

/** True if a database compares the text unchanged: no surrounding spaces, no invisible characters, no lone surrogates. */
const isPlainText = (text: string) => /^[^\p{Cc}\p{Cf}\p{Cs}]+$/u.test(text) && text.trim() === text;

const plainText = oneOrMore(
  (error) => z.string().refine(isPlainText, { error }),
  "a text of at least 1 character, without surrounding spaces and without control characters",
);

const listId = oneOrMore((error) => z.int(error).min(0, error), "a whole number of at least 0");

const isoDate = z.iso.date();

/** Accepts a day that the calendar has, in a year that MariaDB's DATETIME documents: 1000 to 9999. */
function isDateTime(text: string): boolean {
  const [, date, time] = /^([1-9]\d{3}-\d{2}-\d{2})(?: (\d{2}:\d{2}:\d{2}))?$/.exec(text) ?? [];
  return isoDate.safeParse(date).success && (time === undefined || /^([01]\d|2[0-3])(:[0-5]\d){2}$/.test(time));
}

const dateTime = z.string().refine(isDateTime, {
  error: "must be a date of the calendar from the year 1000 on, as YYYY-MM-DD or YYYY-MM-DD HH:MM:SS",
});

/** Returns `YYYY-MM-DD HH:MM:SS` for a date with or without a time of day. */
export const toDateTime = (date: string) => date.padEnd("YYYY-MM-DD HH:MM:SS".length, " 00:00:00");

/**
 * Selects leads of the source table by their columns instead of by id. Every condition must hold; texts are compared byte by
 * byte. A filter that is malformed or empty is rejected, also one whose property is present but undefined.
 *
 * @example leadFilter.parse({ list_id: [101, 102], status: "NEW", entry_date_from: "2025-01-01" })
 */
export const leadFilter = z
  .strictObject({
    list_id: listId.exactOptional(),
    /** Matches the lists of these campaigns; needs a real VICIdial database. */
    campaign_id: plainText.exactOptional(),
    status: plainText.exactOptional(),
    phone_number: plainText.exactOptional(),
    /** The earliest time of entry, included, by the clock of the VICIdial server. */
    entry_date_from: dateTime.exactOptional(),
    /** The latest time of entry, excluded. */
    entry_date_before: dateTime.exactOptional(),
  })
  .refine((filter) => Object.keys(filter).length > 0, {
    error: "at least one of list_id, campaign_id, status, phone_number, entry_date_from, entry_date_before is needed",
  })
  .refine(
    ({ entry_date_from: from, entry_date_before: before }) =>
      from === undefined || before === undefined || toDateTime(from) < toDateTime(before),
    { path: ["entry_date_before"], error: "must be later than entry_date_from" },
  );
/** A filter of leads. */
export type LeadFilter = z.infer<typeof leadFilter>;

const commonParams = {
  all_or_nothing: z
    .boolean()
    .describe(
      "refuse a whole chunk (500 leads at most) if one lead is missing or does not fit; one that differs or is on a call stays alone",
    )
    .optional(),
};

/** The params of `vicidial.leads.dearchive`. */
export const dearchiveParams = z.strictObject({
  insert_leads: z.boolean().describe("copy the leads from the archive, except leads that are already live"),
  delete_leads: z.boolean().describe("delete leads from the archive if the live table has an equal row"),
  restore_callbacks: z.boolean().describe("also restore the archived callbacks of the leads").optional(),
  ...commonParams,
});
/** The params of `vicidial.leads.dearchive`. */
export type DearchiveParams = z.infer<typeof dearchiveParams>;

/** The params of `vicidial.leads.archive`. */
export const archiveParams = z.strictObject({
  insert_leads: z.boolean().describe("copy the leads to the archive, except leads that it already has"),
  update_leads: z.boolean().describe("overwrite differing copies in the archive with the live rows"),
  delete_leads: z.boolean().describe("delete live leads if the archive has an equal row"),
  ...commonParams,
});
/** The params of `vicidial.leads.archive`. */
export type ArchiveParams = z.infer<typeof archiveParams>;
