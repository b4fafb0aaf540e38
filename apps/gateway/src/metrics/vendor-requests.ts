import diagnostics from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage } from "node:http";
import { currentTrace, nextTraceparent, type Span, type Tracer, type Vendor } from "@reinstate/batch-core";

/** A call to a real vendor that has ended. */
export interface VendorCall {
  vendor: string;
  /** `2xx` to `5xx`, or `error` without a response. */
  status: string;
  seconds: number;
}

/** A request as `fetch` publishes it. */
interface FetchRequest {
  origin: string | URL;
  method?: string;
  /** Names and values by turns, or as text. */
  headers?: string | readonly unknown[];
  addHeader(name: string, value: string): void;
}

/** Returns the vendor of each origin of the settings, from the property `upstreamUrl`. */
function listOrigins(vendors: readonly Vendor[], settings: Readonly<Record<string, unknown>>): Map<string, string> {
  return new Map(
    vendors.flatMap(({ name }) => {
      const { upstreamUrl } = (settings[name] ?? {}) as { upstreamUrl?: unknown };
      return typeof upstreamUrl === "string" && URL.canParse(upstreamUrl) ? [[new URL(upstreamUrl).origin, name]] : [];
    }),
  );
}

const toStatus = (status: number | undefined) => (status === undefined ? "error" : `${Math.floor(status / 100)}xx`);

/** A request of either HTTP client of Node. */
interface StartedRequest {
  origin: string;
  method: string;
  /** An instrumentation of the client has given it a trace. */
  isTraced: boolean;
  addHeader(name: string, value: string): void;
}

/** Options of {@link watchVendorRequests}. */
interface WatchOptions {
  vendors: readonly Vendor[];
  settings: Readonly<Record<string, unknown>>;
  /** Receives a span of every call. */
  tracer?: Tracer | undefined;
}

const hasTraceparent = (headers: FetchRequest["headers"] = []) =>
  typeof headers === "string"
    ? /^traceparent:/im.test(headers)
    : headers.some((part) => typeof part === "string" && /^traceparent$/i.test(part));

/**
 * Reports every call of this process to a real vendor, and gives it the trace of its batch, by the channels on which Node publishes its requests. So the clients,
 * which also run in browsers, need no hook. Returns a function that ends it.
 */
export function watchVendorRequests(
  { vendors, settings, tracer }: WatchOptions,
  report: (call: VendorCall) => void,
): () => void {
  const origins = listOrigins(vendors, settings);
  const started = new WeakMap<object, { vendor: string; at: number; span: Span | undefined }>();

  const begin = (request: object, { origin, method, isTraced, addHeader }: StartedRequest) => {
    const vendor = origins.get(origin);
    if (vendor === undefined) return;
    const attributes = { "reinstate.vendor": vendor, "http.request.method": method, "server.address": origin };
    const span = isTraced
      ? undefined
      : tracer?.startSpan(`${method} ${vendor}`, { kind: "client", parent: currentTrace(), attributes });
    started.set(request, { vendor, at: performance.now(), span });
    const traceparent = span ? span.traceparent : nextTraceparent();
    if (!isTraced && traceparent !== undefined) addHeader("traceparent", traceparent);
  };
  const end = (request: object, status: number | undefined) => {
    const call = started.get(request);
    if (!call) return;
    started.delete(request);
    if (status !== undefined) call.span?.setAttribute("http.response.status_code", status);
    call.span?.end(status === undefined ? "no response" : undefined);
    report({ vendor: call.vendor, status: toStatus(status), seconds: (performance.now() - call.at) / 1000 });
  };
  const readOrigin = (request: ClientRequest) =>
    `${request.protocol}//${String(request.getHeader("host") ?? request.host)}`;

  const listeners: Record<string, (message: never) => void> = {
    // Published by `fetch`.
    "undici:request:create": ({ request }: { request: FetchRequest }) =>
      begin(request, {
        origin: String(request.origin),
        method: request.method ?? "",
        isTraced: hasTraceparent(request.headers),
        addHeader: (name, value) => request.addHeader(name, value),
      }),
    "undici:request:headers": ({ request, response }: { request: FetchRequest; response: { statusCode: number } }) =>
      end(request, response.statusCode),
    "undici:request:error": ({ request }: { request: FetchRequest }) => end(request, undefined),
    // Published by `node:https`, which is used for a vendor with a private certificate.
    "http.client.request.created": ({ request }: { request: ClientRequest }) =>
      begin(request, {
        origin: readOrigin(request),
        method: request.method,
        isTraced: request.hasHeader("traceparent"),
        addHeader: (name, value) => request.setHeader(name, value),
      }),
    "http.client.response.finish": (message: { request: ClientRequest; response: IncomingMessage }) =>
      end(message.request, message.response.statusCode),
    "http.client.request.error": ({ request }: { request: ClientRequest }) => end(request, undefined),
  };
  for (const [channel, listener] of Object.entries(listeners)) diagnostics.subscribe(channel, listener as never);
  return () => {
    for (const [channel, listener] of Object.entries(listeners)) diagnostics.unsubscribe(channel, listener as never);
  };
}
