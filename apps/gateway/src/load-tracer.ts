import { type Log, type Tracer, toMessage } from "@reinstate/batch-core";

/** The object of the OpenTelemetry API in this process. An SDK that has started has set its property `trace`. */
const openTelemetry = Symbol.for("opentelemetry.js.api.1");

/** Returns a tracer if an OpenTelemetry SDK runs in this process (`node --import`). Loads nothing otherwise. */
export async function loadTracer(log: Log): Promise<Tracer | undefined> {
  const api = (globalThis as { [openTelemetry]?: { trace?: unknown } })[openTelemetry];
  if (api?.trace === undefined) return undefined;
  try {
    const { createOpenTelemetryTracer } = await import("@reinstate/batch-core/opentelemetry");
    return createOpenTelemetryTracer();
  } catch (error) {
    log.warn({ error: toMessage(error) }, "failed to load @opentelemetry/api; no spans are exported");
    return undefined;
  }
}
