import { type Clock, type Log, toMessage } from "@reinstate/batch-core";
import type { Verb } from "../leads/move.ts";
import { allowedFrom, createWallClock, isAllowed, type OfficeHours, type Schedule } from "./office-hours.ts";

/** The office hours of both calls, on the clock of the site. */
export interface OfficeClock {
  isAllowed(verb: Verb): Promise<boolean>;
  /** The earliest time not before `now` at which the call may be made. */
  allowedFrom(verb: Verb, now: number): number;
}

/** How long the hours that VICIdial's own tables tell are believed. */
const believedMs = 60_000;
/** How long to wait while VICIdial's hours are not known. */
const unknownMs = 5_000;

/** `callTime` reads the hours of VICIdial's call time where a policy is about them. */
export function createOfficeClock(
  { clock, log }: { clock: Clock; log: Log },
  hours: Record<Verb, OfficeHours>,
  timeZone: string,
  callTime?: () => Promise<Schedule>,
): OfficeClock {
  const wallClock = createWallClock(timeZone);
  let schedule: Schedule | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  const needsCallTime = (verb: Verb) => hours[verb].allowed !== "any" && !("schedule" in hours[verb]);

  async function refresh(): Promise<void> {
    if (!callTime || clock.now() < askedAt + believedMs) return;
    asking ??= callTime()
      .then((read) => {
        schedule = read;
        askedAt = clock.now();
      })
      .finally(() => {
        asking = undefined;
      });
    await asking;
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
          log.warn({ error: toMessage(error) }, "the call time of VICIdial could not be read");
        });
      }
      const policy = findPolicy(verb);
      return policy ? allowedFrom(policy, wallClock, now) : now + unknownMs;
    },
  };
}
