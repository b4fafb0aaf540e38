import type { Counts } from "./batch/batch.ts";
import type { WaitReason } from "./errors/wait-reason.ts";
import type { AnyOperation } from "./operation/operation.ts";

/** Receives what this process has done, for metrics. Its functions return at once and never throw. */
export interface Observer {
  /** Counts items whose outcomes are committed. Not called for dry runs. */
  countItems(operation: AnyOperation, counts: Counts): void;
  /** Counts a chunk that is retried. `fault`: its operation threw; otherwise the reason for which it waits. */
  countRetry(operation: AnyOperation, reason: WaitReason | "fault"): void;
}

/** Ignores everything. */
export const silentObserver: Observer = { countItems() {}, countRetry() {} };
