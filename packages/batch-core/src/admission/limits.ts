/** The limits within which an HTTP server admits calls. */
export interface AdmissionLimits {
  /** Calls in progress in this process at the same time; every further one gets 503. */
  maxInFlight: number;
  /** Calls in progress of one key at the same time; every further one gets 429. */
  maxInFlightPerKey: number;
  /** Bytes of bodies in memory at the same time of callers who have not shown a valid key yet. */
  maxUnknownBytes: number;
  /** Wrong keys of one address in a minute that get the API's own answer; every further one gets 429. */
  wrongKeysPerMinute: number;
  /** Addresses and networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` names the caller. */
  trustedProxies: readonly string[];
}

/** The limits of HTTP routes if the options name none. */
export const defaultLimits: AdmissionLimits = {
  maxInFlight: 128,
  maxInFlightPerKey: 96,
  maxUnknownBytes: 64 * 1024 * 1024,
  wrongKeysPerMinute: 20,
  trustedProxies: [],
};
