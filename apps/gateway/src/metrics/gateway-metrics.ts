import type { Host, Observer } from "@reinstate/batch-core";

/** The metrics as the gateway uses them, so that it need not load the library. */
export interface GatewayMetrics {
  /** Receives the outcomes and retries of the batch core. */
  observer: Observer;
  /** Counts an HTTP call. `api` is a vendor's name, `v1`, `dashboard`, `reference`, `health` or `other`. */
  countRequest(call: { api: string; status: number; seconds: number }): void;
  /** Starts to measure a host. Called once. */
  measure(host: Host): void;
  /** Returns the metrics in Prometheus' text format, with its media type. */
  render(): Promise<{ text: string; type: string }>;
  /** Ends all measurements. */
  close(): void;
}
