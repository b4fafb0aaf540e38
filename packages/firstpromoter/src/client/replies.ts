/**
 * The replies that the client accepts from FirstPromoter or from a server of this package. Only what a call depends on is
 * checked. The rest has the documented types unchecked, so one invalid record does not make a page of valid ones fail.
 */
import * as z from "zod";
import type {
  BatchItem,
  BatchProcess,
  BatchStatus,
  CampaignState,
  promoterCampaign,
  Promoter as ServedPromoter,
} from "../schemas.ts";

/** A documented word, or one that the vendor added later. */
type Word<Known extends string> = Known | (string & {});

/** A batch. For other resources the vendor sends `processing_errors` as objects, and `meta` may be null. */
export interface BatchReply extends Omit<BatchProcess, "status" | "meta" | "processing_errors"> {
  status: Word<BatchStatus>;
  meta: Record<string, unknown> | null;
  processing_errors: (string | Record<string, unknown>)[];
}

type MembershipReply = Omit<z.infer<typeof promoterCampaign>, "state"> & { state: Word<CampaignState> };

/** A promoter. `password_setup_url` is a credential: do not log it. */
export interface PromoterReply
  extends Omit<ServedPromoter, "invoice_details_status" | "promoter_campaigns" | "password_setup_url"> {
  invoice_details_status: Word<ServedPromoter["invoice_details_status"]>;
  promoter_campaigns: MembershipReply[];
  password_setup_url: string | null;
}

/** A page of promoters. */
export interface PromoterListReply {
  data: PromoterReply[];
  meta: { pending_count: number };
}

/** A page of the outcomes of a batch. `next_cursor` is null on the last page. */
export interface BatchItemsReply {
  data: BatchItem[];
  meta: { next_cursor: string | null };
}

/** Returns whether the batch has ended. For an undocumented status the progress decides. */
export function isOver({ status, progress }: BatchReply): boolean {
  if (status === "pending" || status === "in_progress") return false;
  return status === "completed" || status === "failed" || status === "stopped" || progress === 100;
}

const id = z.looseObject({ id: z.int() });
const documented = <Reply>(checked: z.ZodType) => checked as z.ZodType<Reply>;

export const batchReply = documented<BatchReply>(z.looseObject({ id: z.int(), status: z.string() }));
export const batchListReply = z.array(batchReply);
export const progressReply = documented<Record<string, number>>(z.record(z.string(), z.unknown()));
export const promoterReply = documented<PromoterReply>(id);
export const promoterListReply = documented<PromoterListReply>(z.looseObject({ data: z.array(id) }));
export const batchItemsReply = documented<BatchItemsReply>(
  z.looseObject({ data: z.array(z.unknown()), meta: z.looseObject({ next_cursor: z.string().nullable() }) }),
);
