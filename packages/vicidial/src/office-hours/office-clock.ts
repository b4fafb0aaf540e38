import { type Clock, type Log, toMessage } from "@reinstate/batch-core";
import type { Verb } from "../leads/move.ts";
import { allowedFrom, createWallClock, isAllowed, type OfficeHours, type Schedule } from "./office-hours.ts";

/** The office-hours policy of both verbs, in the time zone of the call center. */
export interface OfficeClock {
  /** Resolves with true if the call may be made now. Rejects if VICIdial's call time cannot be read. */
  isAllowed(verb: Verb): Promise<boolean>;
  /** Returns the earliest time from `now` on at which the call may be made. Both are milliseconds since the epoch. */
  allowedFrom(verb: Verb, now: number): number;
}

/** Cache lifetime of VICIdial's call time. */
const scheduleTtlMs = 60_000;
/** Retry delay while VICIdial's call time has not been read. */
const scheduleRetryMs = 5_000;

/** Creates the office-hours policy. `callTime` reads VICIdial's call time, for a policy without hours of its own. */
export function createOfficeClock(
  { clock, log }: { clock: Clock; log: Log },
  hours: Record<Verb, OfficeHours>,
  timeZone: string,
  callTime?: () => Promise<Schedule>,
): OfficeClock {
  const wallClock = createWallClock(timeZone);
  let schedule: Schedule | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  const needsCallTime = (verb: Verb) => hours[verb].allowed !== "any" && !("schedule" in hours[verb]);

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
    const policy = hours[verb];
    if (policy.allowed === "any" || policy.schedule) return policy;
    return schedule && { ...policy, schedule };
  };

  return {
    async isAllowed(verb) {
      if (needsCallTime(verb)) await refresh();
      const policy = findPolicy(verb);
      return policy !== undefined && isAllowed(policy, wallClock(clock.now()));
    },

    allowedFrom(verb, now) {
      if (needsCallTime(verb)) {
        refresh().catch((error: unknown) => {
          log.warn({ error: toMessage(error) }, "failed to read the call time of VICIdial");
        });
      }
      const policy = findPolicy(verb);
      return policy ? allowedFrom(policy, wallClock, now) : now + scheduleRetryMs;
    },
  };
}
