import { Counter, Gauge, Histogram, Registry } from "@prometheus-io/client";
import { type AnyOperation, type Host, outcomeWords, type Tracer, type Vendor } from "@reinstate/batch-core";
import type { GatewayMetrics } from "./gateway-metrics.ts";
import { createLedgerGauges } from "./ledger-gauges.ts";
import { createProcessGauges } from "./process-gauges.ts";
import { watchVendorRequests } from "./vendor-requests.ts";

/** Upper bounds of the buckets of durations, in seconds. */
const buckets = [0.005, 0.025, 0.1, 0.5, 1, 5, 30];

export interface MetricsOptions {
  vendors: readonly Vendor[];
  /** The settings of each vendor, by vendor name. */
  settings: Readonly<Record<string, unknown>>;
  /** Receives a span of every call to a real vendor. */
  tracer?: Tracer | undefined;
}

/**
 * Creates the metrics of a gateway in a registry of its own. Invariant: no label has a value that callers choose, so the number of
 * series is bounded by the vendors, their operations, and the statuses of HTTP.
 */
export function createMetrics({ vendors, settings, tracer }: MetricsOptions): GatewayMetrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "reinstate_http_requests_total",
    help: "HTTP calls by API and status; calls that were turned away under overload are not among them",
    labelNames: ["api", "status"],
    registers,
  });
  const requestSeconds = new Histogram({
    name: "reinstate_http_request_seconds",
    help: "Duration of HTTP calls until the response begins",
    labelNames: ["api"],
    buckets,
    registers,
  });
  const items = new Counter({
    name: "reinstate_batch_items_total",
    help: "Items that this process has given an outcome, without dry runs",
    labelNames: ["vendor", "operation", "target", "outcome"],
    registers,
  });
  const retries = new Counter({
    name: "reinstate_vendor_retries_total",
    help: "Chunks that are retried, by reason; fault: the operation failed",
    labelNames: ["vendor", "reason"],
    registers,
  });
  const vendorSeconds = new Histogram({
    name: "reinstate_vendor_request_seconds",
    help: "Duration of calls to the real vendors; status is the first digit, or error without a response",
    labelNames: ["vendor", "status"],
    buckets,
    registers,
  });
  const processGauges = createProcessGauges(registers);
  const unwatch = watchVendorRequests({ vendors, settings, tracer }, (call) =>
    vendorSeconds.observe({ vendor: call.vendor, status: call.status }, call.seconds),
  );
  let refresh: () => Promise<void> = async () => {};

  return {
    observer: {
      countItems(operation, counts) {
        for (const outcome of outcomeWords) {
          if (counts[outcome] > 0) items.inc({ ...describe(operation), outcome }, counts[outcome]);
        }
      },
      countRetry: (operation, reason) => retries.inc({ vendor: describe(operation).vendor, reason }),
    },

    countRequest({ api, status, seconds }) {
      requests.inc({ api, status: String(status) });
      requestSeconds.observe({ api }, seconds);
    },

    measure(host: Host) {
      refresh = createLedgerGauges(host, registers);
      measureAdmission(host, registers);
    },

    async render() {
      processGauges.refresh();
      await refresh();
      return { text: await registry.metrics(), type: registry.contentType };
    },

    close() {
      processGauges.close();
      unwatch();
      registry.clear();
    },
  };
}

function describe({ name, target }: AnyOperation) {
  const [vendor = ""] = name.split(".");
  return { vendor, operation: name, target };
}

/** Shows the calls in progress and those that were turned away. */
function measureAdmission({ admission }: Host, registers: Registry[]): void {
  new Gauge({
    name: "reinstate_http_requests_in_flight",
    help: "HTTP calls in progress",
    registers,
    collect() {
      this.set(admission.counts().inFlight);
    },
  });
  for (const [name, help, read] of [
    ["reinstate_http_turned_away_total", "HTTP calls that were answered 503 because the process was full", "shed"],
    ["reinstate_wrong_keys_total", "Wrong API keys", "wrongKeys"],
  ] as const) {
    let before = 0;
    new Counter({
      name,
      help,
      registers,
      collect() {
        const now = admission.counts()[read];
        this.inc(Math.max(0, now - before));
        before = now;
      },
    });
  }
}
