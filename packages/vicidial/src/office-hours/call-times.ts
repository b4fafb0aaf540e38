import type { Schedule, Window } from "./office-hours.ts";

const days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"] as const;

/** A row of `vicidial_call_times`. Times are HHMM numbers: 900 is nine o'clock. */
export type CallTimeRow = { [Column in `ct_${"default" | (typeof days)[number]}_${"start" | "stop"}`]: number };

/** An active row of `vicidial_call_time_holidays` that the call time lists. */
export interface HolidayRow {
  holiday_date: string;
  ct_default_start: number;
  ct_default_stop: number;
}

/**
 * Returns the windows of a call time. A day whose start and stop are both 0 has the default's. A holiday overrides both. A start of
 * 2400 is a day without a window.
 */
export function toSchedule(row: CallTimeRow, holidays: readonly HolidayRow[]): Schedule {
  const byDate = new Map(holidays.map((holiday) => [holiday.holiday_date, holiday]));
  return ({ weekday, date }) => {
    const holiday = byDate.get(date);
    if (holiday) return toWindow(holiday.ct_default_start, holiday.ct_default_stop);
    const day = days[weekday] as (typeof days)[number];
    const [start, stop] = [row[`ct_${day}_start`], row[`ct_${day}_stop`]];
    return start === 0 && stop === 0 ? toWindow(row.ct_default_start, row.ct_default_stop) : toWindow(start, stop);
  };
}

const toMinutes = (hhmm: number) => Math.min(Math.floor(hhmm / 100) * 60 + (hhmm % 100), 1440);

function toWindow(start: number, stop: number): Window | undefined {
  const [from, to] = [toMinutes(start), toMinutes(stop)];
  // VICIdial has no windows over midnight: a window that does not end after its start is empty.
  return from < to ? { from, to } : undefined;
}
