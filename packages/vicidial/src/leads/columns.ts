/** The 35 columns of VICIdial's `vicidial_list` (schema 1728), as the demo tables have them. */
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
 * What a lead is known by: the time of entry, which is written once, and the number, which is what is called. Rows that differ in
 * both are different leads, one of which was given the other's id.
 */
export const identity = ["entry_date", "phone_number"] as const satisfies (keyof Lead)[];

export const columnNames = Object.keys(leadColumns) as (keyof Lead)[];
