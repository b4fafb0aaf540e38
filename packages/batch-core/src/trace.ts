import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

const storage = new AsyncLocalStorage<string | undefined>();

/** Version, trace id, parent id and flags, as W3C Trace Context defines them. */
const form = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;

/** Returns the value of a `traceparent` header; undefined if it is missing or invalid, as the standard wants. */
export function readTraceparent(headers: Headers): string | undefined {
  const value = headers.get("traceparent");
  return value !== null && form.test(value) ? value : undefined;
}

/** Runs the work in a trace, or outside of any. All that it awaits belongs to the trace. */
export function runInTrace<Result>(traceparent: string | undefined, work: () => Result): Result {
  // Performance: most calls have no trace.
  if (traceparent === undefined && storage.getStore() === undefined) return work();
  return storage.run(traceparent, work);
}

/** Returns the `traceparent` of the trace in which the caller runs; undefined outside of any. */
export const currentTrace = (): string | undefined => storage.getStore();

/** Returns the trace id of the trace in which the caller runs. */
export const currentTraceId = (): string | undefined => storage.getStore()?.split("-")[1];

/** Returns the `traceparent` for a call to another service: the same trace, with a parent id of its own. */
export function nextTraceparent(): string | undefined {
  const [version, trace, , flags] = storage.getStore()?.split("-") ?? [];
  return trace === undefined ? undefined : [version, trace, randomBytes(8).toString("hex"), flags].join("-");
}

/** The properties of a new span. */
export interface SpanStart {
  /** `server`: a request of a caller. `internal`: work of this process. `client`: a call to another service. */
  kind: "server" | "internal" | "client";
  /** The `traceparent` of the span above; undefined starts a trace. */
  parent: string | undefined;
  attributes: Readonly<Record<string, string | number | boolean>>;
}

/** A span that has started. */
export interface Span {
  /** The `traceparent` for what belongs to the span, here and in other services. */
  readonly traceparent: string | undefined;
  /** Runs work in the span. All that it awaits belongs to the span. */
  run<Result>(work: () => Result): Result;
  setAttribute(name: string, value: string | number | boolean): void;
  /** Ends the span. `error`: why its work failed. */
  end(error?: unknown): void;
}

/** Starts spans, for a service that collects traces. */
export interface Tracer {
  startSpan(name: string, start: SpanStart): Span;
}

/** Runs the work in a span, which ends with the work. */
export async function runInSpan<Result>(
  tracer: Tracer,
  name: string,
  start: SpanStart,
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  const span = tracer.startSpan(name, start);
  try {
    const result = await span.run(() => work(span));
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
