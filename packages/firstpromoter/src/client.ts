import { isMarked, sleep } from "@reinstate/batch-core/client";
import { type ConnectionOptions, createFirstPromoterCaller, toBracketParams } from "./client/call.ts";
import {
  type BatchItemsReply,
  type BatchReply,
  batchItemsReply,
  batchListReply,
  batchReply,
  isOver,
  type PromoterListReply,
  type PromoterReply,
  progressReply,
  promoterListReply,
  promoterReply,
} from "./client/replies.ts";
import type {
  BatchItem,
  BatchStatus,
  CampaignState,
  FindBy,
  ItemOutcome,
  NewPromoter,
  PromoterChanges,
} from "./schemas.ts";

export { type RetryOptions, VendorError } from "@reinstate/batch-core/client";
export type { BatchItemsReply, BatchReply, FindBy, PromoterListReply, PromoterReply };

/** Where the vendor is, and who asks. */
export type FirstPromoterClientOptions = ConnectionOptions;

export interface FirstPromoterCallOptions {
  signal?: AbortSignal;
}

/** Two of these are not the vendor's: servers of this package take them. */
export interface BatchCallOptions extends FirstPromoterCallOptions {
  /** A repeat with the same key is answered as the first time. FirstPromoter itself does not look at it: see `keepsKeys`. */
  idempotencyKey?: string;
  /** Only tell what would happen. FirstPromoter itself refuses such a call with 404, and carries nothing out. */
  dryRun?: boolean;
}

/** From and to, both included. */
export interface Between<Value> {
  from?: Value;
  to?: Value;
}

/** The filters of `GET /promoters`. Times are `YYYY-MM-DD HH:MM:SS` in UTC. */
export interface PromoterFilters {
  archived?: boolean;
  state?: CampaignState;
  campaign_id?: number | readonly number[];
  parent_promoter_id?: number;
  revenue_amount?: Between<number>;
  customers_count?: Between<number>;
  referrals_count?: Between<number>;
  clicks_count?: Between<number>;
  joined_at?: Between<string>;
  last_login_at?: Between<string>;
  has_wform?: boolean | "yes" | "no";
  subscribed_to_email?: boolean;
  custom_field1?: CustomFieldFilter;
  custom_field2?: CustomFieldFilter;
  fraud_suspicions?: readonly ("same_ip_suspicion" | "same_promoter_email" | "ad_source" | "no_suspicion")[];
  inactivity?: { metric: "referral" | "customer" | "click" | "sale"; days: number };
  invoice_details_status?: "approved" | "pending" | "rejected" | "not_submitted";
}

export interface CustomFieldFilter {
  key: string;
  operator?: "exact" | "partial";
  value: string;
}

export type PromoterSorting = Partial<
  Record<"clicks_count" | "referrals_count" | "customers_count" | "revenue_amount" | "joined_at", "asc" | "desc">
>;

/** The query of `GET /promoters`, as the vendor documents it: `{ filters: { archived: true }, sorting: { joined_at: "asc" } }`. */
export interface PromoterListQuery {
  q?: string;
  ids?: readonly number[];
  filters?: PromoterFilters;
  sorting?: PromoterSorting;
  /** From 1. */
  page?: number;
  /** Up to 100; 20 without it. */
  per_page?: number;
  include_parent_promoter?: boolean;
  exclude_payout_method?: boolean;
}

export interface BatchListQuery {
  /** Without it the batches that are not finished. */
  status?: BatchStatus | readonly BatchStatus[];
  page?: number;
  per_page?: number;
}

export interface BatchItemsQuery {
  outcome?: ItemOutcome;
  /** The `meta.next_cursor` of the page before. */
  cursor?: string;
  /** Up to 100, which is the default. */
  per_page?: number;
}

export interface WaitOptions extends FirstPromoterCallOptions {
  /** Milliseconds between two looks. Default 1,000. */
  pollMs?: number;
  /** Milliseconds until the wait is given up with a `WaitTimedOut`. Default: never. */
  timeoutMs?: number;
}

const timedOut = Symbol.for("reinstate.firstpromoter.wait-timed-out");

/** A batch had not ended when the time of a `wait` was over. */
export class WaitTimedOut extends Error {
  readonly [timedOut] = true;
  /** As it was at the last look; undefined where there was no answer in that time. */
  readonly batch: BatchReply | undefined;

  constructor(id: number, batch: BatchReply | undefined) {
    super(`The time-out was reached before batch ${id} had ended${batch ? `: it is ${batch.status}` : ""}`);
    this.name = "WaitTimedOut";
    this.batch = batch;
  }

  static is(value: unknown): value is WaitTimedOut {
    return isMarked(value, timedOut);
  }
}

/** Each call answers with the vendor's own reply, or throws a `VendorError` with the vendor's code. */
export interface FirstPromoterClient {
  promoters: {
    /** Brings archived promoters back. Up to 5 ids the batch is `completed`, with more `pending`: see `batches.wait`. */
    restore(ids: readonly number[], options?: BatchCallOptions): Promise<BatchReply>;
    /** Blocks promoters in all campaigns and takes their access to the dashboard away; `restore` undoes it. */
    archive(ids: readonly number[], options?: BatchCallOptions): Promise<BatchReply>;
    accept(ids: readonly number[], campaignId: number, options?: BatchCallOptions): Promise<BatchReply>;
    reject(ids: readonly number[], campaignId: number, options?: BatchCallOptions): Promise<BatchReply>;
    block(ids: readonly number[], campaignId: number, options?: BatchCallOptions): Promise<BatchReply>;
    moveToCampaign(
      ids: readonly number[],
      move: { from_campaign_id: number; to_campaign_id: number; drip_emails?: boolean; soft_move_referrals?: boolean },
      options?: BatchCallOptions,
    ): Promise<BatchReply>;
    addToCampaign(
      ids: readonly number[],
      campaign: { campaign_id: number; drip_emails?: boolean },
      options?: BatchCallOptions,
    ): Promise<BatchReply>;
    assignParent(ids: readonly number[], parentPromoterId: number, options?: BatchCallOptions): Promise<BatchReply>;
    list(query?: PromoterListQuery, options?: FirstPromoterCallOptions): Promise<PromoterListReply>;
    /**
     * Every promoter that the query finds, page after page from `page` on, 100 a page unless it says otherwise. Who enters or
     * leaves the list meanwhile may be told twice or not at all.
     */
    all(query?: PromoterListQuery, options?: FirstPromoterCallOptions): AsyncGenerator<PromoterReply, void, undefined>;
    /** By id, or with `findBy` by another of the promoter's values. */
    get(
      id: number | string,
      options?: FirstPromoterCallOptions & {
        findBy?: FindBy;
        includeParentPromoter?: boolean;
        excludePayoutMethod?: boolean;
      },
    ): Promise<PromoterReply>;
    create(given: NewPromoter, options?: FirstPromoterCallOptions): Promise<PromoterReply>;
    /** With `find_by` among the changes, `id` is the value that is looked for. */
    update(id: number | string, changes: PromoterChanges, options?: FirstPromoterCallOptions): Promise<PromoterReply>;
  };
  batches: {
    get(id: number, options?: FirstPromoterCallOptions): Promise<BatchReply>;
    list(query?: BatchListQuery, options?: FirstPromoterCallOptions): Promise<BatchReply[]>;
    /** Every batch that the query finds, page after page. */
    all(query?: BatchListQuery, options?: FirstPromoterCallOptions): AsyncGenerator<BatchReply, void, undefined>;
    /** Batch id to whole percent. */
    progress(query?: BatchListQuery, options?: FirstPromoterCallOptions): Promise<Record<string, number>>;
    /** Looks again and again until the batch is completed, failed or stopped, and answers with it. */
    wait(id: number, options?: WaitOptions): Promise<BatchReply>;
    /** A page of what became of the ids of a batch. Not the vendor's, as everything below. */
    items(id: number, query?: BatchItemsQuery, options?: FirstPromoterCallOptions): Promise<BatchItemsReply>;
    /** What became of every id of a batch, page after page. */
    everyItem(
      id: number,
      query?: Pick<BatchItemsQuery, "outcome" | "per_page">,
      options?: FirstPromoterCallOptions,
    ): AsyncGenerator<BatchItem, void, undefined>;
    /** Nothing more of it is begun. */
    stop(id: number, options?: FirstPromoterCallOptions): Promise<BatchReply>;
    /** A stopped batch goes on. */
    resume(id: number, options?: FirstPromoterCallOptions): Promise<BatchReply>;
    /** Its failed ids are run again. */
    retry(id: number, options?: FirstPromoterCallOptions): Promise<BatchReply>;
    /** Brings those back whom this archive batch archived and nobody has restored since; answers with a batch of its own. */
    undo(id: number, options?: BatchCallOptions): Promise<BatchReply>;
  };
}

/**
 * A client of FirstPromoter's API v2, or of a gateway that serves it. `baseUrl` is what stands before the documented path, as
 * `https://api.firstpromoter.com/api/v2/company`. Reads, `restore` and `archive` are repeated where the connection is lost or the
 * server is busy, and with `keepsKeys` batch calls with an `idempotencyKey`; nothing else is. Throws a `TypeError` for options
 * that no call could be made with.
 */
export function createFirstPromoterClient(options: FirstPromoterClientOptions): FirstPromoterClient {
  const call = createFirstPromoterCaller(options);

  /** A call that makes a batch. `same`: made twice, it ends in the same state. */
  const batch = (
    path: string,
    { body, query }: { body?: object; query?: object },
    { signal, idempotencyKey }: BatchCallOptions = {},
    same = false,
  ) =>
    call({
      method: "POST",
      path,
      answer: batchReply,
      body,
      ...(query && { query: toBracketParams(query) }),
      ...(idempotencyKey !== undefined && { headers: { "idempotency-key": idempotencyKey } }),
      signal,
      repeatable: same || (idempotencyKey !== undefined && options.keepsKeys === true),
    });

  const act = (name: string, ids: readonly number[], params: object, given: BatchCallOptions = {}) =>
    batch(
      // By a path of its own: a parameter that the vendor passes over would leave a call that is carried out.
      `/promoters/${name}${given.dryRun ? "/dry_run" : ""}`,
      { body: { ids, ...params } },
      given,
      name === "restore" || name === "archive" || given.dryRun === true,
    );

  const move = (id: number, verb: string, { signal }: FirstPromoterCallOptions = {}) =>
    call({ method: "POST", path: `/batch_processes/${id}/${verb}`, answer: batchReply, signal });

  const batchQuery = ({ status, ...page }: BatchListQuery) => ({ ...(status && { filters: { status } }), ...page });

  const client: FirstPromoterClient = {
    promoters: {
      restore: (ids, options) => act("restore", ids, {}, options),
      archive: (ids, options) => act("archive", ids, {}, options),
      accept: (ids, campaign_id, options) => act("accept", ids, { campaign_id }, options),
      reject: (ids, campaign_id, options) => act("reject", ids, { campaign_id }, options),
      block: (ids, campaign_id, options) => act("block", ids, { campaign_id }, options),
      moveToCampaign: (ids, move, options) => act("move_to_campaign", ids, move, options),
      addToCampaign: (ids, campaign, options) => act("add_to_campaign", ids, campaign, options),
      assignParent: (ids, parent_promoter_id, options) => act("assign_parent", ids, { parent_promoter_id }, options),
      list: (query = {}, { signal } = {}) =>
        call({ method: "GET", path: "/promoters", answer: promoterListReply, query: toBracketParams(query), signal }),
      all: (query, options) => byPage(query, async (page) => (await client.promoters.list(page, options)).data),
      get: (id, { signal, findBy, includeParentPromoter, excludePayoutMethod } = {}) =>
        call({
          method: "GET",
          path: `/promoters/${encodeURIComponent(id)}`,
          answer: promoterReply,
          query: toBracketParams({
            find_by: findBy,
            include_parent_promoter: includeParentPromoter,
            exclude_payout_method: excludePayoutMethod,
          }),
          signal,
        }),
      create: (given, { signal } = {}) =>
        call({ method: "POST", path: "/promoters", answer: promoterReply, body: given, signal }),
      update: (id, changes, { signal } = {}) =>
        call({
          method: "PUT",
          path: `/promoters/${encodeURIComponent(id)}`,
          answer: promoterReply,
          body: changes,
          signal,
        }),
    },
    batches: {
      get: (id, { signal } = {}) => call({ method: "GET", path: `/batch_processes/${id}`, answer: batchReply, signal }),
      list: (query = {}, { signal } = {}) =>
        call({
          method: "GET",
          path: "/batch_processes",
          answer: batchListReply,
          query: toBracketParams(batchQuery(query)),
          signal,
        }),
      all: (query, options) => byPage(query, (page) => client.batches.list(page, options)),
      progress: (query = {}, { signal } = {}) =>
        call({
          method: "GET",
          path: "/batch_processes/progress",
          answer: progressReply,
          query: toBracketParams(batchQuery(query)),
          signal,
        }),
      async wait(id, { signal, pollMs = 1_000, timeoutMs } = {}) {
        const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
        const stop = AbortSignal.any([signal, timeout].filter((one) => one !== undefined));
        let batch: BatchReply | undefined;
        try {
          for (;;) {
            stop.throwIfAborted();
            batch = await client.batches.get(id, { signal: stop });
            if (isOver(batch)) return batch;
            await sleep(pollMs, stop);
          }
        } catch (error) {
          throw timeout?.aborted && error === timeout.reason ? new WaitTimedOut(id, batch) : error;
        }
      },
      items: (id, { outcome, ...page } = {}, { signal } = {}) =>
        call({
          method: "GET",
          path: `/batch_processes/${id}/items`,
          answer: batchItemsReply,
          query: toBracketParams({ ...(outcome && { filters: { outcome } }), ...page }),
          signal,
        }),
      async *everyItem(id, query = {}, options) {
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await client.batches.items(id, { ...query, ...(cursor && { cursor }) }, options);
          yield* page.data;
          cursor = page.meta.next_cursor;
        }
      },
      stop: (id, options) => move(id, "stop", options),
      resume: (id, options) => move(id, "resume", options),
      retry: (id, options) => move(id, "retry", options),
      undo: (id, given) => batch(`/batch_processes/${id}/undo`, { query: { dry_run: given?.dryRun } }, given),
    },
  };
  return client;
}

/** One after the other, until a page is not full: the vendor tells no total. */
async function* byPage<Query extends { page?: number; per_page?: number }, One>(
  query: Query | undefined,
  read: (query: Query & { page: number; per_page: number }) => Promise<One[]>,
): AsyncGenerator<One, void, undefined> {
  // More than the vendor gives in a page would look like the end, and none at all would have none.
  const per_page = Math.min(100, Math.max(1, Math.trunc(query?.per_page ?? 100)));
  for (let page = query?.page ?? 1; ; page++) {
    const found = await read({ ...(query as Query), page, per_page });
    yield* found;
    if (found.length < per_page) return;
  }
}
