const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** A window in minutes of a day. If it does not end after its start, it continues into the next day. */
export interface Window {
  from: number;
  to: number;
}

/** A calendar day: the day of the week (Sunday is 0) and the date as `2026-01-31`. */
export interface Day {
  weekday: number;
  date: string;
}

/** Returns the window that begins on a day, or undefined. A calendar of holidays is one that wraps another. */
export type Schedule = (day: Day) => Window | undefined;

/** The policy of one call: when it is allowed. Without a schedule, the windows are those of VICIdial's call time. */
export type OfficeHours = { allowed: "any" } | { allowed: "inside" | "outside"; schedule?: Schedule };

/**
 * Parses `any`, `inside HH:MM-HH:MM DAYS` or `outside HH:MM-HH:MM DAYS`. Days are written as `mon-fri`, `sat,sun` or `mon-wed,fri`.
 * A window over midnight belongs to the day on which it starts. `inside` or `outside` alone uses VICIdial's call time. Returns
 * undefined for any other text.
 */
export function parseOfficeHours(text: string): OfficeHours | undefined {
  const word = text.trim().toLowerCase();
  if (word === "any" || word === "inside" || word === "outside") return { allowed: word };
  const match = /^\s*(inside|outside)\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s+([a-z]{3}[a-z,\s-]*)$/i.exec(text);
  if (!match) return undefined;
  const [from, to] = [minutes(match[2], match[3]), minutes(match[4], match[5])];
  const days = parseDays(match[6] as string);
  if (from === undefined || from === 1440 || to === undefined || !days) return undefined;
  const schedule: Schedule = ({ weekday }) => (days[weekday] ? { from, to } : undefined);
  return { allowed: match[1]?.toLowerCase() as "inside" | "outside", schedule };
}

function minutes(hour: string | undefined, minute: string | undefined): number | undefined {
  const value = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && value <= 1440 ? value : undefined;
}

function parseDays(text: string): boolean[] | undefined {
  const days = dayNames.map(() => false);
  for (const part of text.toLowerCase().split(",")) {
    const [first = "", last = first, ...more] = part.split("-").map((day) => day.trim());
    const end = dayNames.indexOf(last);
    let day = dayNames.indexOf(first);
    if (day < 0 || end < 0 || more.length > 0) return undefined;
    for (; day !== end; day = (day + 1) % 7) days[day] = true;
    days[end] = true;
  }
  return days;
}

/** A wall-clock time. */
export interface WallTime extends Day {
  minute: number;
}

/** Converts milliseconds since the epoch to a wall-clock time. */
export type WallClock = (now: number) => WallTime;

/**
 * Creates the wall clock of an IANA time zone.
 *
 * @throws RangeError for an unknown zone.
 */
export function createWallClock(timeZone: string): WallClock {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  return (now) => {
    const parts: Record<string, string> = {};
    for (const { type, value } of format.formatToParts(now)) parts[type] = value;
    return {
      weekday: dayNames.indexOf((parts.weekday ?? "").toLowerCase()),
      date: `${parts.year}-${parts.month}-${parts.day}`,
      minute: Number(parts.hour) * 60 + Number(parts.minute),
    };
  };
}

/**
 * True if the call may be made at this time. The start of a window belongs to it, the end does not. A policy whose schedule is
 * missing allows nothing, because the call time could forbid it.
 */
export function isAllowed(policy: OfficeHours, { weekday, date, minute }: WallTime): boolean {
  if (policy.allowed === "any") return true;
  if (!policy.schedule) return false;
  const today = policy.schedule({ weekday, date });
  const yesterday = policy.schedule({ weekday: (weekday + 6) % 7, date: dayBefore(date) });
  const inside =
    (today !== undefined && minute >= today.from && (minute < today.to || today.to <= today.from)) ||
    (yesterday !== undefined && yesterday.to <= yesterday.from && minute < yesterday.to);
  return inside === (policy.allowed === "inside");
}

const dayMs = 24 * 60 * 60 * 1000;

const dayBefore = (date: string) => new Date(Date.parse(date) - dayMs).toISOString().slice(0, 10);

/** How far ahead a change is searched. */
const horizonMs = 31 * dayMs;
/** Time zone offsets change only at quarters of an hour. */
const quarterMs = 15 * 60 * 1000;
const minuteMs = 60 * 1000;

/** Returns the start of the minute after `now` at which the call becomes allowed, or forbidden; undefined for none in 31 days. */
export function findChange(policy: OfficeHours, wallClock: WallClock, now: number): number | undefined {
  const before = isAllowed(policy, wallClock(now));
  const end = now + horizonMs;
  for (let at = now; at < end; ) {
    const quarterEnd = (Math.floor(at / quarterMs) + 1) * quarterMs;
    const wall = wallClock(at);
    const atMinute = Math.floor(at / minuteMs);
    for (; at < quarterEnd; at = (Math.floor(at / minuteMs) + 1) * minuteMs) {
      // Performance: within a quarter of an hour the minutes of the wall clock are consecutive.
      const minute = wall.minute + Math.floor(at / minuteMs) - atMinute;
      if (isAllowed(policy, minute < 1440 ? { ...wall, minute } : wallClock(at)) !== before) return at;
    }
  }
  return undefined;
}
