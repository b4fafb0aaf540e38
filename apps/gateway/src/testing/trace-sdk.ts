import { appendFileSync } from "node:fs";
import { NodeTracerProvider, type ReadableSpan, type SpanProcessor } from "@opentelemetry/sdk-trace-node";

// Loaded with `--import`: an OpenTelemetry SDK, as an operator starts it. Appends each span to the file that SPANS names.

/** A span as a line of the file. */
export interface WrittenSpan {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentId: string | undefined;
  attributes: Record<string, unknown>;
  /** 2 for an error. */
  status: number;
}

function toLine(span: ReadableSpan): WrittenSpan {
  const { name, kind, attributes, status } = span;
  const { traceId, spanId } = span.spanContext();
  return { name, kind, traceId, spanId, parentId: span.parentSpanContext?.spanId, attributes, status: status.code };
}

if (process.env.SPANS !== undefined) {
  const file = process.env.SPANS;
  const processor: SpanProcessor = {
    onStart() {},
    onEnd: (span) => appendFileSync(file, `${JSON.stringify(toLine(span))}\n`),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  new NodeTracerProvider({ spanProcessors: [processor] }).register();
}
