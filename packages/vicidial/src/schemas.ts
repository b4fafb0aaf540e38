import * as z from "zod";

/** Source: TForge, "VICIdial API - Lead Dearchive" and "VICIdial API - Lead Archive". */
const leadIds = z.array(z.int().min(0)).min(1);

/** The body of `POST /vicidial/leads/dearchive`. At most 500 leads, none twice. */
export const dearchiveRequest = z.strictObject({
  /** Copies the leads from the archive; a lead that is live already is not inserted again. */
  insert_leads: z.boolean(),
  /** Deletes the leads from the archive that are live with the same content. */
  delete_leads: z.boolean(),
  lead_ids: leadIds,
});
export type DearchiveRequest = z.infer<typeof dearchiveRequest>;

/** The body of `POST /vicidial/leads/archive`. */
export const archiveRequest = z.strictObject({
  insert_leads: z.boolean(),
  /** Overwrites the archive's copy of a lead with the live one. */
  update_leads: z.boolean(),
  delete_leads: z.boolean(),
  lead_ids: leadIds,
});
export type ArchiveRequest = z.infer<typeof archiveRequest>;

const count = z.int().min(0);

/** Rows found in the source, inserted and deleted. Fewer deleted than found means that copies differed and were kept. */
export const dearchiveReply = z.object({
  message: z.string(),
  select_count: count,
  insert_count: count,
  delete_count: count,
});
export type DearchiveReply = z.infer<typeof dearchiveReply>;

export const archiveReply = z.object({
  message: z.string(),
  select_count: count,
  insert_count: count,
  update_count: count,
  delete_count: count,
});
export type ArchiveReply = z.infer<typeof archiveReply>;

/** Any refusal: 401 and 403 carry the message alone; the others list the leads that are to blame. */
export const errorReply = z.object({
  message: z.string(),
  lead_errors: count.optional(),
  lead_count: count.optional(),
  lead_ids: z.array(z.unknown()).optional(),
});
export type ErrorReply = z.infer<typeof errorReply>;

/** An item of both operations. */
export const leadId = z.int().min(0);

const oneOrMore = <Value extends z.ZodType>(value: Value) => z.union([value, z.array(value).min(1).max(1000)]);

const date = z.string().regex(/^\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2})?$/, "must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS");

/** Which leads of the source table, instead of a list of ids: all that is given must hold. */
export const leadFilter = z
  .strictObject({
    list_id: oneOrMore(z.int().min(0)).optional(),
    /** Of the lists of these campaigns; only in a real VICIdial database. */
    campaign_id: oneOrMore(z.string().min(1)).optional(),
    status: oneOrMore(z.string()).optional(),
    phone_number: oneOrMore(z.string().min(1)).optional(),
    /** From this time of entry on. */
    entry_date_from: date.optional(),
    /** Before this time of entry. */
    entry_date_before: date.optional(),
  })
  .refine((filter) => Object.values(filter).some((value) => value !== undefined), {
    error: "at least one of list_id, campaign_id, status, phone_number, entry_date_from, entry_date_before is needed",
  });
export type LeadFilter = z.infer<typeof leadFilter>;

const beside = {
  /** All leads of a chunk (of 500 at most) or none: where one is not in the source table, none of them is moved. */
  all_or_nothing: z.boolean().optional(),
};

/** What `vicidial.leads.dearchive` is told beside the leads. */
export const dearchiveParams = z.strictObject({
  insert_leads: z.boolean(),
  delete_leads: z.boolean(),
  /** Brings back what the archive left behind, too: the leads' callbacks. */
  restore_companions: z.boolean().optional(),
  ...beside,
});
export type DearchiveParams = z.infer<typeof dearchiveParams>;

/** What `vicidial.leads.archive` is told beside the leads. */
export const archiveParams = z.strictObject({
  insert_leads: z.boolean(),
  update_leads: z.boolean(),
  delete_leads: z.boolean(),
  ...beside,
});
export type ArchiveParams = z.infer<typeof archiveParams>;
