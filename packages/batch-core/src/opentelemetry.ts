import {
  type Context,
  context,
  diag,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { toMessage } from "./errors/errors.ts";
import { runInTrace, type Span, type SpanStart, type Tracer } from "./trace.ts";

const kinds = { server: SpanKind.SERVER, internal: SpanKind.INTERNAL, client: SpanKind.CLIENT };

const toTraceparent = ({ traceId, spanId, traceFlags }: SpanContext) =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;

/** Returns the context of the parent of a span, which may be in another process. */
function readParent(traceparent: string | undefined): Context {
  const [, traceId = "", spanId = "", flags = ""] = traceparent?.split("-") ?? [];
  if (traceId === "") return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  });
}

/** Returns the span that an instrumentation of the HTTP server has started. It is not ours to end. */
function adoptActiveSpan({ attributes }: SpanStart): Span | undefined {
  const active = trace.getActiveSpan();
  if (!active || !isSpanContextValid(active.spanContext())) return undefined;
  const traceparent = toTraceparent(active.spanContext());
  active.setAttributes(attributes);
  return {
    traceparent,
    run: (work) => runInTrace(traceparent, work),
    setAttribute: (name, value) => void active.setAttribute(name, value),
    end() {},
  };
}

/**
 * Creates a tracer that writes its spans to the OpenTelemetry SDK of the process. Needs the peer `@opentelemetry/api`.
 *
 * @example
 * const host = await createHost({ databaseUrl, tracer: createOpenTelemetryTracer() });
 */
export function createOpenTelemetryTracer(): Tracer {
  const tracer = trace.getTracer("reinstate");
  return {
    startSpan(name, start) {
      const adopted = start.kind === "server" ? adoptActiveSpan(start) : undefined;
      if (adopted) return adopted;
      const parent = readParent(start.parent);
      const span = tracer.startSpan(name, { kind: kinds[start.kind], attributes: { ...start.attributes } }, parent);
      const within = trace.setSpan(parent, span);
      // Without an SDK the span has no ids.
      const traceparent = isSpanContextValid(span.spanContext()) ? toTraceparent(span.spanContext()) : start.parent;
      return {
        traceparent,
        run: (work) => context.with(within, () => runInTrace(traceparent, work)),
        setAttribute: (key, value) => void span.setAttribute(key, value),
        end(error) {
          if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: toMessage(error) });
          // Invariant: the work is done, and a fault of the SDK must not make it fail.
          try {
            span.end();
          } catch (fault) {
            diag.error("failed to end a span", fault);
          }
        },
      };
    },
  };
}
