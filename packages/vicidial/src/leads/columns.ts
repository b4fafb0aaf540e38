/** The 35 columns of VICIdial's `vicidial_list` (schema 1728) with their types in the demo tables. */
export const leadColumns = {
  lead_id: "bigint",
  entry_date: "text",
  modify_date: "text",
  status: "text",
  user: "text",
  vendor_lead_code: "text",
  source_id: "text",
  list_id: "bigint",
  gmt_offset_now: "text",
  called_since_last_reset: "text",
  phone_code: "text",
  phone_number: "text",
  title: "text",
  first_name: "text",
  middle_initial: "text",
  last_name: "text",
  address1: "text",
  address2: "text",
  address3: "text",
  city: "text",
  state: "text",
  province: "text",
  postal_code: "text",
  country_code: "text",
  gender: "text",
  date_of_birth: "text",
  alt_phone: "text",
  email: "text",
  security_phrase: "text",
  comments: "text",
  called_count: "bigint",
  last_local_call_time: "text",
  rank: "bigint",
  owner: "text",
  entry_list_id: "bigint",
} as const;

/** One lead with all its columns; times as MariaDB writes them, `2026-01-31 09:30:00`. */
export type Lead = {
  [Column in keyof typeof leadColumns]:
    | ((typeof leadColumns)[Column] extends "bigint" ? number : string)
    | (Column extends "lead_id" ? never : null);
};

/**
 * The columns that identify a lead: the entry time, which is written once, and the number to call. Two rows with the same id that
 * differ in both are different leads; the id was reused.
 */
export const identity = ["entry_date", "phone_number"] as const satisfies (keyof Lead)[];

export const columnNames = Object.keys(leadColumns) as (keyof Lead)[];
