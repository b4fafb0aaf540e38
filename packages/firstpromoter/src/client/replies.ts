/**
 * What the client takes for an answer of FirstPromoter's, or of a server of this package. Checked is what a call depends on;
 * all else is as it was sent, with the documented types, so that one odd record does not spoil a page of good ones.
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

/** One of the documented words, or one that the vendor has thought of since. */
type Word<Known extends string> = Known | (string & {});

/** A batch. The vendor tells `processing_errors` of other resources as objects, and `meta` may be null. */
export interface BatchReply extends Omit<BatchProcess, "status" | "meta" | "processing_errors"> {
  status: Word<BatchStatus>;
  meta: Record<string, unknown> | null;
  processing_errors: (string | Record<string, unknown>)[];
}

type Place = Omit<z.infer<typeof promoterCampaign>, "state"> & { state: Word<CampaignState> };

/** A promoter. `password_setup_url` is a credential: let it get into no log. */
export interface PromoterReply
  extends Omit<ServedPromoter, "invoice_details_status" | "promoter_campaigns" | "password_setup_url"> {
  invoice_details_status: Word<ServedPromoter["invoice_details_status"]>;
  promoter_campaigns: Place[];
  password_setup_url: string | null;
}

export interface PromoterListReply {
  data: PromoterReply[];
  meta: { pending_count: number };
}

export interface BatchItemsReply {
  data: BatchItem[];
  meta: { next_cursor: string | null };
}

/** Nothing more happens to the batch. Of a word that is not documented, its progress tells. */
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
