export { type RetryOptions, withRetries } from "./retry.ts";
export { type CallOptions, createTransport, type Reply, type Transport, type TransportOptions } from "./transport.ts";
export { VendorError, type VendorErrorKind } from "./vendor-error.ts";
