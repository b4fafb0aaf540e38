import type { Hours, WaitReason } from "@reinstate/batch-core";

const counts = new Intl.NumberFormat("en-US");

/** Formats a whole number: `9,874`. */
export const formatCount = (count: number): string => counts.format(count);

/** Formats a time as `2026-11-30 15:04:05`, in UTC. */
export const formatTime = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace("T", " ");

const units: [name: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
];

/** Formats a duration with its two largest units: `2 h 5 min`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return "under 1 s";
  const first = units.findIndex(([, size]) => ms >= size);
  let left = ms;
  const parts = units.slice(first, first + 2).map(([name, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count > 0 ? `${count} ${name}` : "";
  });
  return parts.filter(Boolean).join(" ");
}

/** Formats a rate of items. */
export function formatRate(perSecond: number): string {
  if (perSecond <= 0) return "–";
  return perSecond >= 10 ? `${formatCount(Math.round(perSecond))}/s` : `${perSecond.toFixed(1)}/s`;
}

/** Formats a share as whole percent, never as 0 or 100 for something in between. */
export function formatPercent(part: number, whole: number): string {
  if (whole === 0) return "0 %";
  const percent = (100 * part) / whole;
  if (part > 0 && percent < 1) return "< 1 %";
  if (part < whole && percent > 99) return "> 99 %";
  return `${Math.round(percent)} %`;
}

/** Formats an item as one line of text. */
export const formatItem = (item: unknown): string => (typeof item === "string" ? item : JSON.stringify(item));

/** Returns a text with a capital at its start. */
export const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The verb and the noun of the vendor's label `promoter/move_to_campaign`. */
function readLabel(label: string): { verb: string; noun: string } {
  const [noun = "item", verb = label] = label.split("/");
  return { verb: capitalize(verb.replaceAll("_", " ")), noun: noun.replaceAll("_", " ").replace(/s$/, "") };
}

/** Formats a number of an operation's items: `1 promoter`, `9,874 promoters`. */
export const formatItems = (label: string, count: number): string =>
  `${formatCount(count)} ${readLabel(label).noun}${count === 1 ? "" : "s"}`;

/** Formats an operation on a number of items, for a button: `Restore 9,874 promoters`. */
export function formatAction(label: string, count: number): string {
  const { verb } = readLabel(label);
  return `${verb}${verb.includes(" ") ? ":" : ""} ${formatItems(label, count)}`;
}

/** Formats an operation without a number: `Restore promoters`. */
export function formatOperation(label: string): string {
  const { verb, noun } = readLabel(label);
  return verb.includes(" ") ? `${capitalize(noun)}s: ${verb.toLowerCase()}` : `${verb} ${noun}s`;
}

/** Formats the reason for which a batch waits. */
export const waitTexts: Record<WaitReason, string> = {
  rate_limit: "The vendor's rate limit is used up",
  office_hours: "Changes are not allowed at this hour",
  vendor: "The vendor does not answer",
  backoff: "The last attempts failed and are repeated later",
  storage: "A database cannot store anything: it is full, read-only or failing",
};

/** Texts of the status of a batch. */
export const statusTexts = {
  pending: "Pending",
  in_progress: "In progress",
  completed: "Completed",
  failed: "Failed",
  stopped: "Stopped",
} as const;

/** Formats office hours in their own time zone: `open until 18:00` or `opens Monday 08:00`. */
export function formatHours({ open, until, opensAt, timeZone }: Hours, now: number): string {
  const at = (ms: number) => {
    const format = (options: Intl.DateTimeFormatOptions, time: number) =>
      new Intl.DateTimeFormat("en-GB", { timeZone, ...options }).format(time);
    const clock = format({ hour: "2-digit", minute: "2-digit" }, ms);
    const isToday = format({ dateStyle: "short" }, ms) === format({ dateStyle: "short" }, now);
    return `${isToday ? "" : `${format({ weekday: "long" }, ms)} `}${clock}`;
  };
  if (open) return until === undefined ? "open" : `open until ${at(until)} ${timeZone}`;
  return opensAt === undefined ? "closed" : `opens ${at(opensAt)} ${timeZone}`;
}
