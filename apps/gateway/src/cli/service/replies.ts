import type { BatchReply as BatchBody, ItemsReply, OperationsReply } from "@reinstate/batch-core/http";

export type { ItemsReply };

/** A batch. `failures` is absent in lists. */
export type BatchReply = BatchBody & {
  failures?: { outcome: "skipped" | "failed" | "unknown"; code: string; count: number; message: string | null }[];
  /** How long a dry run would take in earnest. */
  estimate?: Estimate | null;
};

export interface Estimate {
  chunks: number;
  requests: number | null;
  earliest_start: string | null;
  duration_ms: number | null;
  limited_by: string | null;
}

export type OperationReply = OperationsReply["operations"][number];

/** A batch with its rate, as the event stream of `/v1` reports it. */
export type ProgressReply = BatchReply & { rate: number; estimated_end: string | null };

/** A problem body of `/v1`. */
export interface ProblemReply {
  type: string;
  status: number;
  detail: string;
  errors?: { path: string; message: string }[];
  /** The batch that a conflict is about. */
  batch?: number;
}
