const form = /^(\d{4}-\d{2}-(\d{2}))(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(Z|UTC|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Milliseconds since 1970 UTC of `YYYY-MM-DD HH:MM:SS` or an ISO 8601 time; UTC where no zone is named. Undefined for anything
 * else, and for a day that its month does not have.
 */
export function parseTime(text: string): number | undefined {
  const match = form.exec(text.trim());
  if (!match) return undefined;
  const [, date, day, time = "00:00", zone = "Z"] = match;
  // JavaScript takes 31 February for 2 March.
  if (new Date(`${date}T00:00Z`).getUTCDate() !== Number(day)) return undefined;
  const ms = Date.parse(`${date}T${time}${zone === "UTC" ? "Z" : zone.replace(/(\d{2}):?(\d{2})$/, "$1:$2")}`);
  return Number.isNaN(ms) ? undefined : ms;
}
