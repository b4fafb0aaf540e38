import type { Clock } from "../clock.ts";
import { ReinstateError } from "../errors/errors.ts";
import type { Log } from "../log.ts";

/** Counts the wrong keys of each address. */
export interface WrongKeys {
  readonly count: number;
  /**
   * `requestId` names the call in the log.
   * @throws ReinstateError `too_many_requests` if the address has shown too many in the last minute.
   */
  add(address: string, vendor: string, requestId: string): void;
}

const minuteMs = 60_000;
/** Maximum number of stored addresses. Beyond that, the oldest is evicted. */
const maxAddresses = 10_000;

/**
 * Creates a count of wrong keys by address, for a sign-in with a limit of its own.
 *
 * @example createWrongKeys({ perMinute: 10, clock: host.clock, log: host.log }).add("192.0.2.1", "dashboard", readRequestId(request));
 */
export function createWrongKeys({ perMinute, clock, log }: { perMinute: number; clock: Clock; log: Log }): WrongKeys {
  const addresses = new Map<string, { count: number; until: number }>();
  let count = 0;

  function findEntry(address: string) {
    const now = clock.now();
    const known = addresses.get(address);
    if (known && now < known.until) return known;
    if (known && known.count > perMinute) {
      log.warn({ address, wrong_keys: known.count }, "wrong keys in a minute");
    }
    addresses.delete(address);
    if (addresses.size >= maxAddresses) addresses.delete(addresses.keys().next().value as string);
    const entry = { count: 0, until: now + minuteMs };
    addresses.set(address, entry);
    return entry;
  }

  return {
    get count() {
      return count;
    },
    add(callerAddress, vendor, requestId) {
      const address = toNetwork(callerAddress);
      const entry = findEntry(address);
      count++;
      entry.count++;
      if (entry.count <= perMinute) return log.info({ address, vendor, request_id: requestId }, "wrong key");
      if (entry.count === perMinute + 1)
        log.warn({ address, vendor, request_id: requestId, wrong_keys: entry.count }, "wrong keys throttled");
      const retryAfterSeconds = Math.max(1, Math.ceil((entry.until - clock.now()) / 1000));
      throw new ReinstateError("too_many_requests", "Too many wrong keys from this address; check the key", {
        retryAfterSeconds,
      });
    },
  };
}

/** Returns an IPv4 address, or the /64 network of an IPv6 address, which is the smallest that one caller has. */
function toNetwork(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!plain.includes(":")) return plain;
  const [head = ""] = plain.split("::");
  const groups = head.split(":").filter((group) => group !== "");
  return `${[...groups, "0", "0", "0", "0"].slice(0, 4).join(":")}::/64`;
}
