import { type Clock, type Hours, type Log, toMessage } from "@reinstate/batch-core";
import type { Verb } from "../leads/move-types.ts";
import { createWallClock, findChange, isAllowed, type OfficeHours, type Schedule } from "./office-hours.ts";

/** The office-hours policy of both verbs, in the time zone of the call center. */
export interface OfficeClock {
  /** Resolves with true if the call may be made now. Rejects if VICIdial's call time cannot be read. */
  isAllowed(verb: Verb): Promise<boolean>;
  /** Returns the earliest time from `now` on at which the call may be made. Both are milliseconds since the epoch. */
  allowedFrom(verb: Verb, now: number): number;
  /** Returns whether the call may be made at a time, and when that changes; undefined if it may always be made. */
  hours(verb: Verb, now: number): Hours | undefined;
}

/** Cache lifetime of VICIdial's call time. */
const scheduleTtlMs = 60_000;
/** For how long hours that do not change within a month are not searched again. */
const unchangedTtlMs = 24 * 60 * 60 * 1000;
/** Retry delay while VICIdial's call time has not been read. */
const scheduleRetryMs = 5_000;

/** Creates the office-hours policy. `callTime` reads VICIdial's call time, for a policy without hours of its own. */
export function createOfficeClock(
  { clock, log }: { clock: Clock; log: Log },
  policies: Record<Verb, OfficeHours>,
  timeZone: string,
  callTime?: () => Promise<Schedule>,
): OfficeClock {
  const wallClock = createWallClock(timeZone);
  let schedule: Schedule | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  const needsCallTime = (verb: Verb) => policies[verb].allowed !== "any" && !("schedule" in policies[verb]);

  async function refresh(): Promise<void> {
    if (!callTime || clock.now() < readAt + scheduleTtlMs) return;
    reading ??= callTime()
      .then((read) => {
        schedule = read;
        readAt = clock.now();
      })
      .finally(() => {
        reading = undefined;
      });
    await reading;
  }

  const findPolicy = (verb: Verb): OfficeHours | undefined => {
    const policy = policies[verb];
    if (policy.allowed === "any" || policy.schedule) return policy;
    return schedule && { ...policy, schedule };
  };

  /** Refreshes the call time in the background, and returns the policy; undefined while the call time is unknown. */
  function readPolicy(verb: Verb): OfficeHours | undefined {
    if (needsCallTime(verb)) {
      refresh().catch((error: unknown) => {
        log.warn({ error: toMessage(error) }, "failed to read the call time of VICIdial");
      });
    }
    return findPolicy(verb);
  }

  /** The last answer for each verb, which holds until `change`. Performance: a search for it takes up to 26 ms. */
  const known = new Map<
    Verb,
    { schedule: Schedule | undefined; from: number; open: boolean; change: number | undefined }
  >();

  function findState(verb: Verb, policy: OfficeHours, now: number) {
    const schedule = "schedule" in policy ? policy.schedule : undefined;
    const last = known.get(verb);
    if (last && last.schedule === schedule && now >= last.from && now < (last.change ?? last.from + unchangedTtlMs))
      return last;
    const state = {
      schedule,
      from: now,
      open: isAllowed(policy, wallClock(now)),
      change: findChange(policy, wallClock, now),
    };
    known.set(verb, state);
    return state;
  }

  function findHours(verb: Verb, now: number): Hours | undefined {
    const policy = readPolicy(verb);
    if (!policy) return { open: false, opensAt: now + scheduleRetryMs, timeZone };
    if (policy.allowed === "any") return undefined;
    const { open, change } = findState(verb, policy, now);
    if (change === undefined) return { open, timeZone };
    return open ? { open, until: change, timeZone } : { open, opensAt: change, timeZone };
  }

  return {
    async isAllowed(verb) {
      if (needsCallTime(verb)) await refresh();
      const policy = findPolicy(verb);
      return policy !== undefined && isAllowed(policy, wallClock(clock.now()));
    },

    allowedFrom(verb, now) {
      const { open, opensAt = now + unchangedTtlMs } = findHours(verb, now) ?? { open: true };
      return open ? now : opensAt;
    },

    hours: findHours,
  };
}
