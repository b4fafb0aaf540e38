import type { BatchReply } from "../service/replies.ts";
import { formatCount, formatDuration } from "../terminal/numbers.ts";

/** The state of a batch at a time, as the progress shows it. */
export interface Shown {
  batch: BatchReply;
  /** Items per second; 0 while it is unknown. */
  rate: number;
  /** The reason for which the connection to the server is lost. */
  lost?: string | undefined;
}

/** Returns the progress in one line, without a limit: the parts that matter most come first. */
export function describeProgress({ batch, rate, lost }: Shown, now: number): string {
  return listParts({ batch, rate, lost }, now).join("  ");
}

/** Returns the progress in at most `columns` characters. Parts that do not fit are left out; a terminal of 0 columns has 80. */
export function fitProgress(shown: Shown, now: number, columns: number): string {
  // The last column stays free, because some terminals break the line there.
  const width = (columns > 0 ? columns : 80) - 1;
  let line = "";
  for (const part of listParts(shown, now)) {
    const longer = line === "" ? part : `${line}  ${part}`;
    if (longer.length > width) break;
    line = longer;
  }
  return line === "" ? `${shown.batch.progress}%`.slice(0, Math.max(0, width)) : line;
}

function listParts({ batch, rate, lost }: Shown, now: number): string[] {
  const { processed, total, failed, unknown, progress } = batch;
  const parts = [`${formatCount(processed)}/${formatCount(total)}`, `${progress}%`];
  if (lost !== undefined) parts.push(`no connection (${lost}), trying again`);
  const wait = lost === undefined ? describeWait(batch, now) : undefined;
  if (wait !== undefined) parts.push(wait);
  if (failed > 0) parts.push(`${formatCount(failed)} failed`);
  if (unknown > 0) parts.push(`${formatCount(unknown)} unknown`);
  if (rate > 0) {
    parts.push(`${formatCount(Math.round(rate))}/s`);
    if (processed < total) parts.push(`${formatDuration(((total - processed) / rate) * 1000)} left`);
  }
  return parts;
}

const reasons = {
  rate_limit: "vendor limit",
  office_hours: "office hours",
  vendor: "vendor not available",
  backoff: "pause after an error",
  storage: "no room to store",
} as const;

/** Returns why a batch waits, and until when; undefined if it does not wait. */
export function describeWait(batch: BatchReply, now: number): string | undefined {
  const { waiting_for: reason, next_allowed_at: next, status } = batch;
  if (reason === null || (status !== "pending" && status !== "in_progress")) return undefined;
  const name = (reasons as Record<string, string>)[reason] ?? String(reason);
  if (next === null) return name;
  const from = Date.parse(next);
  if (reason === "office_hours") return `office hours open ${formatOpening(from, now)}`;
  return from > now ? `${name}, next in ${formatWait(from - now)}` : `${name}, next now`;
}

const formatWait = (ms: number) => (ms < 60_000 ? `${Math.ceil(ms / 1000)} s` : formatDuration(ms));

/** Formats a time with its zone, and with its day unless that is today. */
function formatOpening(at: number, now: number): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(at);
  const isToday = new Date(at).toDateString() === new Date(now).toDateString();
  const day = isToday
    ? ""
    : `${new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" }).format(at)} `;
  return `${day}${time} ${zone}`;
}
