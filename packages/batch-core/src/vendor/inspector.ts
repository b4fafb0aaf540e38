import type { Clock } from "../clock.ts";
import { toMessage, toPublicMessage } from "../errors/errors.ts";
import type { Log } from "../log.ts";
import { answerWithin, isNoAnswer, type VendorInspection } from "./inspection.ts";
import type { Vendor, VendorInstance } from "./vendor.ts";

/** The latest result for one vendor. */
export interface InspectedVendor {
  vendor: string;
  label: string;
  /** When it was asked, in milliseconds since 1970 UTC. */
  at: number;
  /** Undefined if there is a fault. */
  inspection?: VendorInspection;
  /** Why there is no inspection: `no answer within 2 s`, or an error. */
  fault?: string;
}

/** Options of an inspector. */
export interface InspectorOptions {
  clock: Clock;
  log: Log;
  /** Milliseconds for which an answer is used again. Default 30 seconds. */
  maxAgeMs?: number;
  /** Milliseconds for which a vendor is waited for. Default 2 seconds. */
  timeoutMs?: number;
  /** Also asks for what takes minutes on large tables. */
  full?: boolean;
}

/** Inspects vendors for all readers of one process. */
export interface Inspector {
  /** Returns the state of all vendors, or of one of them. Never rejects, and a vendor that hangs delays no other. */
  inspect(vendor?: string): Promise<InspectedVendor[]>;
}

/**
 * Creates an inspector. Each vendor is asked at most once in `maxAgeMs`, whatever the number of readers.
 *
 * @example const [vicidial] = await createInspector(instances, { clock: host.clock, log: host.log }).inspect("vicidial");
 */
export function createInspector(
  instances: readonly { vendor: Pick<Vendor, "name" | "label">; instance: Pick<VendorInstance, "inspect"> }[],
  { clock, log, maxAgeMs = 30_000, timeoutMs = 2_000, full = false }: InspectorOptions,
): Inspector {
  const answers = new Map<string, { at: number; answer: Promise<InspectedVendor> }>();

  async function ask({ vendor, instance }: (typeof instances)[number]): Promise<InspectedVendor> {
    const found = { vendor: vendor.name, label: vendor.label, at: clock.now() };
    const ending = new AbortController();
    try {
      const none: VendorInspection = { targets: [], findings: [], versions: {} };
      const work = (async () => (await instance.inspect?.({ full, signal: ending.signal })) ?? none)();
      return { ...found, inspection: await answerWithin(timeoutMs, work) };
    } catch (error) {
      log.warn({ vendor: vendor.name, error: toMessage(error) }, "failed to inspect vendor");
      return { ...found, fault: isNoAnswer(error) ? error.message : toPublicMessage(error) };
    } finally {
      ending.abort();
    }
  }

  return {
    inspect(name) {
      const chosen = instances.filter(({ vendor }) => name === undefined || vendor.name === name);
      return Promise.all(
        chosen.map((entry) => {
          const known = answers.get(entry.vendor.name);
          if (known && clock.now() - known.at < maxAgeMs) return known.answer;
          const answer = ask(entry);
          answers.set(entry.vendor.name, { at: clock.now(), answer });
          return answer;
        }),
      );
    },
  };
}
