const counts = new Intl.NumberFormat("en-US");

/** Formats a count: 200,000. */
export const formatCount = (count: number): string => counts.format(count);

/** Formats a count with its noun: `1 record`, `2 records`. */
export const formatItems = (count: number, noun = "record"): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

const units = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
] as const;

/** Formats a duration by its two largest units: `3 min 12 s`. */
export function formatDuration(ms: number): string {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  let rest = Math.round(ms / 1000);
  const parts: string[] = [];
  for (const [unit, seconds] of units) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** Formats a number of bytes: `12.3 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000_000) return `${Math.ceil(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Formats a time for a person in the time zone of this machine: `2026-11-30 18:00:05`. */
export function formatTime(time: string | null): string {
  if (time === null) return "-";
  const at = new Date(time);
  const pad = (part: number) => String(part).padStart(2, "0");
  const day = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())].join("-");
  return `${day} ${[pad(at.getHours()), pad(at.getMinutes()), pad(at.getSeconds())].join(":")}`;
}
