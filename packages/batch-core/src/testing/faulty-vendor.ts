import { type Clock, systemClock } from "../clock.ts";
import type { Host } from "../host.ts";
import { type FaultName, type FaultProxyOptions, faults, type ProxiedRequest, startFaultProxy } from "./fault-proxy.ts";

/** A vendor behind a fault proxy with changing faults. */
export interface FaultyVendor extends AsyncDisposable {
  /** The address of the proxy. */
  url: string;
  /** Damages the first `count` of the requests that `spoils` selects. Default: of all. */
  spoil(name: FaultName, count: number, spoils?: (request: ProxiedRequest) => boolean): void;
  /** Applies a script of faults to one request after the other; null is no fault. */
  spoilByScript(script: readonly (FaultName | null)[]): void;
  /** The requests so far. */
  requests: readonly ProxiedRequest[];
}

/**
 * Starts a fault proxy in front of a vendor's routes, which damages the replies to selected requests.
 *
 * @example await using vendor = await startFaultyVendor((request) => server.routes.fetch(request));
 */
export async function startFaultyVendor(target: FaultProxyOptions["target"]): Promise<FaultyVendor> {
  let fault: FaultProxyOptions["fault"] = () => undefined;
  const proxy = await startFaultProxy({ target, fault: (request) => fault(request) });
  return {
    url: proxy.url,
    requests: proxy.requests,
    spoil(name, count, spoils = () => true) {
      let left = count;
      fault = (request) => (spoils(request) && left-- > 0 ? faults[name] : undefined);
    },
    spoilByScript(script) {
      let index = 0;
      fault = () => {
        const name = script[index++];
        return name ? faults[name] : undefined;
      };
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

/** Faults with an unknown effect. A batch must end even if they repeat. */
export const endlessFaults = [
  "HTML with 200 after the effect",
  "truncated JSON",
  "oversized JSON",
  "reset before the reply",
] as const satisfies readonly FaultName[];

const factor = 200;

/** Returns options of a host whose pauses are 200 times shorter. The lease is adapted. */
export function createQuickTime(): { clock: Clock; leaseMs: number } {
  const begun = Date.now();
  return {
    leaseMs: 60_000_000,
    clock: {
      now: () => begun + (Date.now() - begun) * factor,
      sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
    },
  };
}

/**
 * Waits for the vendor's batches that are newer than `since`, and returns the items that they changed more than once, each as
 * the label of the operation and the item.
 */
export async function findChangedTwice({ batches }: Host, since: number): Promise<string[]> {
  const times = new Map<string, number>();
  for (const { id, label } of await batches.list({ limit: 200 })) {
    if (id <= since) break;
    await batches.wait(id, { pollMs: 5 });
    for await (const { item, outcome } of batches.everyItem(id)) {
      const name = `${label} ${JSON.stringify(item)}`;
      if (outcome === "done") times.set(name, (times.get(name) ?? 0) + 1);
    }
  }
  return [...times].filter(([, count]) => count > 1).map(([name]) => name);
}
