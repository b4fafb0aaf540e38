/**
 * Returns the canonical name of a column: in lower case, with one underscore between words.
 *
 * @example columnName("Lead ID") // "lead_id", as for leadId, lead-id and LEAD_ID
 */
export function columnName(header: string): string {
  return header
    .trim()
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[\s_-]+/g, "_");
}
