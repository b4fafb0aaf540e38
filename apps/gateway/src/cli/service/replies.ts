import type {
  BatchReply as BatchBody,
  BatchDetailReply,
  FoundItemsReply,
  HistoryReply,
  ItemsReply,
  OperationsReply,
} from "@reinstate/batch-core/http";

export type { FoundItemsReply, HistoryReply, ItemsReply };

/** A batch. What only the reply for one batch has is absent in lists. */
export type BatchReply = BatchBody & Partial<BatchDetailReply>;

/** How long a dry run would take in earnest. */
export type Estimate = NonNullable<BatchDetailReply["estimate"]>;

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
  /** The number of bad rows, of which `errors` has the first. */
  bad_rows?: number;
}
