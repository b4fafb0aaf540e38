import { silentLog } from "@reinstate/batch-core";
import { createTestClock } from "@reinstate/batch-core/testing";
import { describe, expect, test, vi } from "vitest";
import { type CallTimeRow, toSchedule } from "./call-times.ts";
import { createOfficeClock } from "./office-clock.ts";
import { createWallClock, isAllowed, type OfficeHours, parseOfficeHours } from "./office-hours.ts";

function allowed(text: string, time: string, zone = "UTC"): boolean {
  const hours = parseOfficeHours(text);
  if (!hours) throw new Error(`${text} was not read`);
  return isAllowed(hours, createWallClock(zone)(Date.parse(time)));
}

/** The office clock with this policy for dearchive. */
const createOffice = (policy: OfficeHours, zone: string) =>
  createOfficeClock(
    { clock: createTestClock(0), log: silentLog },
    { dearchive: policy, archive: { allowed: "any" } },
    zone,
  );

describe("office hours", () => {
  // 2026-01-05 is a Monday.
  test.each([
    ["any", "2026-01-05T12:00:00Z", true],
    ["outside 08:00-18:00 mon-fri", "2026-01-05T07:59:59Z", true],
    ["outside 08:00-18:00 mon-fri", "2026-01-05T08:00:00Z", false],
    ["outside 08:00-18:00 mon-fri", "2026-01-05T17:59:59Z", false],
    ["outside 08:00-18:00 mon-fri", "2026-01-05T18:00:00Z", true],
    ["outside 08:00-18:00 mon-fri", "2026-01-10T12:00:00Z", true],
    ["inside 08:00-18:00 mon-fri", "2026-01-05T12:00:00Z", true],
    ["inside 08:00-18:00 mon-fri", "2026-01-10T12:00:00Z", false],
    ["inside 22:00-06:00 mon", "2026-01-05T23:00:00Z", true],
    ["inside 22:00-06:00 mon", "2026-01-06T05:59:00Z", true],
    ["inside 22:00-06:00 mon", "2026-01-05T05:00:00Z", false],
    ["inside 22:00-06:00 mon", "2026-01-06T22:00:00Z", false],
    ["inside 00:00-24:00 sat-mon,wed", "2026-01-04T12:00:00Z", true],
    ["inside 00:00-24:00 sat-mon,wed", "2026-01-06T12:00:00Z", false],
    ["inside 00:00-24:00 sat-mon,wed", "2026-01-07T12:00:00Z", true],
  ])("%s at %s: %s", (text, time, expected) => {
    expect(allowed(text, time)).toBe(expected);
  });

  test("follows the wall clock of the zone across clock changes", () => {
    const policy = "inside 08:00-18:00 mon-sun";
    expect(allowed(policy, "2026-03-07T13:30:00Z", "America/New_York")).toBe(true);
    expect(allowed(policy, "2026-03-07T12:30:00Z", "America/New_York")).toBe(false);
    expect(allowed(policy, "2026-03-08T12:30:00Z", "America/New_York")).toBe(true);
  });

  test.each(["inside", "outside"])("refuses %s without a schedule", (text) => {
    expect(allowed(text, "2026-01-05T12:00:00Z")).toBe(false);
    expect(allowed(text, "2026-01-10T23:00:00Z")).toBe(false);
  });

  test.each([
    "",
    "never",
    "inside 8-18 mon",
    "inside 08:00-25:00 mon",
    "inside 08:60-18:00 mon",
    "outside 08:00-18:00",
    "outside 08:00-18:00 mo-fr",
    "inside 24:00-18:00 mon",
    "inside 08:00-18:00 mon-wed-fri",
  ])("%j is no policy", (text) => {
    expect(parseOfficeHours(text)).toBeUndefined();
  });
});

/** The same numbers at every run. */
function dice(seed: number) {
  let state = seed;
  return (sides: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

describe("the earliest allowed time", () => {
  const minute = 60_000;
  // Days on which clocks are put forward or back, by an hour or by half of one, and an ordinary one.
  const days = [
    ["America/New_York", "2026-03-08T00:00:00Z"],
    ["America/New_York", "2026-11-01T00:00:00Z"],
    ["Europe/Berlin", "2026-03-28T12:00:00Z"],
    ["Europe/Berlin", "2026-10-24T12:00:00Z"],
    ["Australia/Lord_Howe", "2026-04-04T06:00:00Z"],
    ["Asia/Kathmandu", "2026-06-01T00:00:00Z"],
    ["UTC", "2026-12-31T12:00:00Z"],
  ] as const;

  test.each(days)("finds the first allowed minute in %s from %s on", (zone, start) => {
    const wallClock = createWallClock(zone);
    const roll = dice(zone.length * 7919);
    for (let round = 0; round < 30; round++) {
      const time = () =>
        `${String(roll(24)).padStart(2, "0")}:${String(roll(4) * 15 + roll(2) * roll(15)).padStart(2, "0")}`;
      const text = `${roll(2) ? "inside" : "outside"} ${time()}-${time()} ${["mon-sun", "sat,sun", "mon-fri"][roll(3)]}`;
      const hours = parseOfficeHours(text) as OfficeHours;
      const now = Date.parse(start) + roll(36 * 60) * minute + roll(minute);
      const from = createOffice(hours, zone).allowedFrom("dearchive", now);
      expect([text, isAllowed(hours, wallClock(from))]).toEqual([text, true]);
      if (from === now) continue;
      expect([text, isAllowed(hours, wallClock(now)), from % minute]).toEqual([text, false, 0]);
      const first = Math.max(now, from - 2000 * minute);
      for (let at = first; at < from; at += minute) {
        if (isAllowed(hours, wallClock(at))) throw new Error(`${text}: ${new Date(at).toISOString()} was skipped`);
      }
    }
  });

  test("checks hours that never come again after a day", () => {
    const never = parseOfficeHours("outside 00:00-24:00 mon-sun") as OfficeHours;
    const now = Date.parse("2026-01-05T12:00:00Z");
    expect(createOffice(never, "UTC").allowedFrom("dearchive", now) - now).toBe(24 * 60 * minute);
  });
});

describe("a call time of VICIdial", () => {
  const closed = { start: 2400, stop: 2400 };
  const row = (days: Record<string, { start: number; stop: number }>): CallTimeRow => {
    const names = ["default", "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    return Object.fromEntries(
      names.flatMap((name) => [
        [`ct_${name}_start`, days[name]?.start ?? 0],
        [`ct_${name}_stop`, days[name]?.stop ?? 0],
      ]),
    ) as unknown as CallTimeRow;
  };

  test.each([
    ["2026-01-05T09:29:00Z", false],
    ["2026-01-05T09:30:00Z", true],
    ["2026-01-05T20:59:00Z", true],
    ["2026-01-05T21:00:00Z", false],
    // The Saturday has hours of its own, the Sunday none.
    ["2026-01-10T10:30:00Z", false],
    ["2026-01-10T11:00:00Z", true],
    ["2026-01-11T12:00:00Z", false],
    // A holiday goes before both.
    ["2026-01-06T10:30:00Z", false],
    ["2026-01-06T12:30:00Z", true],
  ])("at %s: %s", (time, expected) => {
    const schedule = toSchedule(
      row({ default: { start: 930, stop: 2100 }, saturday: { start: 1100, stop: 1500 }, sunday: closed }),
      [{ holiday_date: "2026-01-06", ct_default_start: 1200, ct_default_stop: 1300 }],
    );
    const wall = createWallClock("UTC")(Date.parse(time));
    expect(isAllowed({ allowed: "inside", schedule }, wall)).toBe(expected);
    expect(isAllowed({ allowed: "outside", schedule }, wall)).toBe(!expected);
  });
});

describe("the hours of an operation", () => {
  const berlin = "Europe/Berlin";
  const start = Date.parse("2026-01-05T12:00:00Z");
  const end = (time: string) => Date.parse(time);

  function createHours(policy: string) {
    const office = createOffice(parseOfficeHours(policy) as OfficeHours, berlin);
    return { office, hours: (time: string) => office.hours("dearchive", end(time)) };
  }

  test("report until when they are open and when they open", () => {
    const { hours, office } = createHours("outside 08:00-18:00 mon-fri");
    expect(hours("2026-01-05T12:00:00Z")).toEqual({
      open: false,
      opensAt: end("2026-01-05T17:00:00Z"),
      timeZone: berlin,
    });
    expect(hours("2026-01-05T17:00:00Z")).toEqual({ open: true, until: end("2026-01-06T07:00:00Z"), timeZone: berlin });
    expect(hours("2026-01-09T20:00:00Z")).toEqual({ open: true, until: end("2026-01-12T07:00:00Z"), timeZone: berlin });
    // A time before the last one.
    expect(hours("2026-01-05T12:00:00Z")).toEqual({
      open: false,
      opensAt: end("2026-01-05T17:00:00Z"),
      timeZone: berlin,
    });
    expect(office.hours("archive", start)).toBeUndefined();
  });

  test("agree with the earliest allowed time at every minute", () => {
    const { office } = createHours("inside 22:00-06:00 mon,wed");
    for (let now = start; now < start + 10 * 86_400_000; now += 29 * 60_000) {
      const { open, opensAt, until } = office.hours("dearchive", now) ?? { open: true };
      expect(office.allowedFrom("dearchive", now)).toBe(open ? now : opensAt);
      if (until !== undefined) expect(office.allowedFrom("dearchive", until)).toBeGreaterThan(until);
    }
  });

  test("are searched once until they change", () => {
    const { office } = createHours("inside 08:00-18:00 sun");
    using reads = vi.spyOn(Intl.DateTimeFormat.prototype, "formatToParts");
    office.hours("dearchive", start);
    const searched = reads.mock.calls.length;
    expect(searched).toBeGreaterThan(100);
    for (let call = 1; call <= 2000; call++) office.allowedFrom("dearchive", start + call);
    expect(reads.mock.calls.length).toBe(searched);
  });
});
