export { isMarked } from "../errors/marked.ts";
export { type CircuitBreaker, createCircuitBreaker } from "./breaker.ts";
export {
  type Caller,
  type CallerOptions,
  createCaller,
  emptyAnswer,
  type ReadReply,
  toErrorKind,
  type VendorCall,
  type VendorRefusal,
} from "./caller.ts";
export { createRetryBudget, type RetryBudget, type RetryOptions, withRetries } from "./retry.ts";
export { sleep } from "./sleep.ts";
export { type CallOptions, createTransport, type Reply, type Transport, type TransportOptions } from "./transport.ts";
export { VendorError, type VendorErrorKind } from "./vendor-error.ts";
