import type { Lead } from "./columns.ts";

const firstNames = ["Ada", "José", "Mia", "Noah", "Zoë", "Liam", "Ines", "Omar"];
const lastNames = ["Smith", "Müller", "Garcia", "Okafor", "Novák", "Silva", "Jones", "Dubois"];

/** Returns a test lead, always the same for an id. `changes` replace columns. */
export function makeLead(id: number, changes: Partial<Lead> = {}): Lead {
  const number = String(id).padStart(7, "0");
  return {
    lead_id: id,
    entry_date: "2025-03-01 08:00:00",
    modify_date: "2025-06-15 16:45:30",
    status: id % 3 === 0 ? "NA" : "NEW",
    user: `agent${id % 20}`,
    vendor_lead_code: `V${number}`,
    source_id: `S${id % 7}`,
    list_id: 101 + (id % 3),
    gmt_offset_now: "-5.00",
    called_since_last_reset: id % 2 === 0 ? "Y" : "N",
    phone_code: "1",
    phone_number: `312${number}`,
    title: null,
    first_name: firstNames[id % firstNames.length] as string,
    middle_initial: "",
    last_name: lastNames[id % lastNames.length] as string,
    address1: `${id} Main St`,
    address2: "",
    address3: null,
    city: "Chicago",
    state: "IL",
    province: "",
    postal_code: "60601",
    country_code: "USA",
    gender: "U",
    date_of_birth: null,
    alt_phone: "",
    email: `lead${id}@example.com`,
    security_phrase: "",
    comments: null,
    called_count: id % 5,
    last_local_call_time: "2025-06-15 11:45:30",
    rank: id % 10,
    owner: "",
    entry_list_id: 0,
    ...changes,
  };
}
