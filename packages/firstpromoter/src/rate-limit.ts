/** Lets so many requests through per minute and account, looking back over the last minute from any moment. */
export interface RateLimit {
  /** Counts a request; answers the milliseconds until the next may come where it is one too many, which does not count. */
  take(account: string, now: number): number | undefined;
}

const minute = 60_000;

/** `perMinute` 0 lets everything through. Kept in this process: several processes each let so many through. */
export function createRateLimit(perMinute: number): RateLimit {
  if (perMinute === 0) return { take: () => undefined };
  // The times of an account's last requests, as a ring: the next place holds the oldest.
  const rings = new Map<string, { times: Float64Array; next: number }>();
  return {
    take(account, now) {
      let ring = rings.get(account);
      if (!ring) {
        ring = { times: new Float64Array(perMinute).fill(-Infinity), next: 0 };
        rings.set(account, ring);
      }
      const wait = (ring.times[ring.next] as number) + minute - now;
      if (wait > 0) return wait;
      ring.times[ring.next] = now;
      ring.next = (ring.next + 1) % perMinute;
      return undefined;
    },
  };
}
