const form = /^(\d{4}-\d{2}-(\d{2}))(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(Z|UTC|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Parses `YYYY-MM-DD HH:MM:SS` or an ISO 8601 time into milliseconds since 1970 UTC. A time without a zone is UTC. Returns
 * undefined for anything else, and for a day that does not exist in its month.
 */
export function parseTime(text: string): number | undefined {
  const match = form.exec(text.trim());
  if (!match) return undefined;
  const [, date, day, time = "00:00", zone = "Z"] = match;
  // JavaScript parses 31 February as 2 March.
  if (new Date(`${date}T00:00Z`).getUTCDate() !== Number(day)) return undefined;
  const ms = Date.parse(`${date}T${time}${zone === "UTC" ? "Z" : zone.replace(/(\d{2}):?(\d{2})$/, "$1:$2")}`);
  return Number.isNaN(ms) ? undefined : ms;
}
