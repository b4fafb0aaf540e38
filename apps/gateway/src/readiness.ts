import { answerWithin, type Host, type Log, toMessage, type Vendor, type VendorInstance } from "@reinstate/batch-core";
import { problem } from "@reinstate/batch-core/http";

/** A database that does not answer for this long counts as not ready. */
const checkMs = 1500;

export interface ReadinessParts {
  host: Host;
  instances: readonly { vendor: Vendor; instance: VendorInstance }[];
  log: Log;
  /** Aborted when the gateway is to stop. */
  draining: AbortSignal;
}

type State = "ready" | "not ready";

/**
 * Answers `/readyz` and, with a vendor's name, `/readyz/<vendor>`. The first is 503 only if the ledger cannot be used, because every
 * vendor needs it; its body holds the state of each vendor. The second is also 503 if that vendor cannot work.
 */
export function createReadiness({ host, instances, log, draining }: ReadinessParts) {
  /** Returns the state of a part. Never rejects: a database error is logged and not returned. */
  async function check(part: string, work: () => Promise<unknown>): Promise<State> {
    try {
      await answerWithin(checkMs, work());
      return "ready";
    } catch (error) {
      log.warn({ part, error: toMessage(error) }, "not ready");
      return "not ready";
    }
  }

  const checkLedger = () => check("ledger", () => host.database.storage.check());
  const checkVendor = ({ vendor, instance }: ReadinessParts["instances"][number]) =>
    check(vendor.name, async () => instance.ready?.());

  return async (name?: string): Promise<Response> => {
    const checked = instances.filter(({ vendor }) => name === undefined || vendor.name === name);
    if (checked.length === 0 && name !== undefined) {
      const names = instances.map(({ vendor }) => vendor.name).join(", ");
      return problem(404, "not-found", `There is no vendor ${name.slice(0, 50)}; the vendors are ${names}`);
    }
    const [ledger, ...states] = await Promise.all([checkLedger(), ...checked.map(checkVendor)]);
    const ledgerReady = ledger === "ready" && !draining.aborted;
    const vendors = Object.fromEntries(
      checked.map(({ vendor }, index) => [
        vendor.name,
        { status: ledgerReady ? (states[index] as State) : "not ready" },
      ]),
    );
    const ready = ledgerReady && (name === undefined || states[0] === "ready");
    const status: State = ready ? "ready" : "not ready";
    return Response.json(name === undefined ? { status, ledger: { status: ledger }, vendors } : { status }, {
      status: ready ? 200 : 503,
      ...(!ready && { headers: { "retry-after": "5" } }),
    });
  };
}
