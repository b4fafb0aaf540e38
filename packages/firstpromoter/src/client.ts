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

/** The server's address and the credentials of the client. */
export type FirstPromoterClientOptions = ConnectionOptions;

/** Options of every call. */
export interface FirstPromoterCallOptions {
  signal?: AbortSignal;
}

/** Options of a call that creates a batch. Only servers of this package support `idempotencyKey` and `dryRun`. */
export interface BatchCallOptions extends FirstPromoterCallOptions {
  /** Repeats with the same key get the first reply again. FirstPromoter itself ignores the key: see `keepsKeys`. */
  idempotencyKey?: string;
  /** Reports what would happen and changes nothing. FirstPromoter itself answers such a call with 404 and changes nothing. */
  dryRun?: boolean;
}

/** A range that includes both bounds. */
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

/** A condition on one custom field. */
export interface CustomFieldFilter {
  key: string;
  operator?: "exact" | "partial";
  value: string;
}

/** The sort direction by column. */
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
  /** Up to 100; default 20. */
  per_page?: number;
  include_parent_promoter?: boolean;
  exclude_payout_method?: boolean;
}

/** The query of the batch reads. */
export interface BatchListQuery {
  /** Default: the unfinished batches. */
  status?: BatchStatus | readonly BatchStatus[];
  page?: number;
  per_page?: number;
}

/** The query of the items of a batch. */
export interface BatchItemsQuery {
  outcome?: ItemOutcome;
  /** The `meta.next_cursor` of the previous page. */
  cursor?: string;
  /** Up to 100, which is the default. */
  per_page?: number;
}

/** Options of `batches.wait`. */
export interface WaitOptions extends FirstPromoterCallOptions {
  /** Milliseconds between two reads of the batch. Default 1,000. */
  pollMs?: number;
  /** Milliseconds until the wait throws `WaitTimedOut`. Default: no limit. */
  timeoutMs?: number;
}

const timedOut = Symbol.for("reinstate.firstpromoter.wait-timed-out");

/** Thrown by `batches.wait` if the batch has not ended within `timeoutMs`. */
export class WaitTimedOut extends Error {
  readonly [timedOut] = true;
  /** The batch as last read; undefined if no read was answered in time. */
  readonly batch: BatchReply | undefined;

  constructor(id: number, batch: BatchReply | undefined) {
    super(`Batch ${id} did not end before the time-out${batch ? `; its status is ${batch.status}` : ""}`);
    this.name = "WaitTimedOut";
    this.batch = batch;
  }

  static is(value: unknown): value is WaitTimedOut {
    return isMarked(value, timedOut);
  }
}

/**
 * FirstPromoter's API v2. Each call returns the vendor's reply unchanged.
 *
 * @throws `VendorError` with the vendor's code.
 */
export interface FirstPromoterClient {
  promoters: {
    /** Restores archived promoters. The batch is `completed` for up to 5 ids, and `pending` for more: see `batches.wait`. */
    restore(ids: readonly number[], options?: BatchCallOptions): Promise<BatchReply>;
    /** Blocks promoters in all campaigns and removes their access to the dashboard; `restore` undoes it. */
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
     * Yields every promoter that the query finds, page by page from `page` on; 100 a page by default. A promoter that enters or
     * leaves the list meanwhile may appear twice or not at all.
     */
    all(query?: PromoterListQuery, options?: FirstPromoterCallOptions): AsyncGenerator<PromoterReply, void, undefined>;
    /** Returns a promoter by id, or with `findBy` by another unique value. */
    get(
      id: number | string,
      options?: FirstPromoterCallOptions & {
        findBy?: FindBy;
        includeParentPromoter?: boolean;
        excludePayoutMethod?: boolean;
      },
    ): Promise<PromoterReply>;
    create(promoter: NewPromoter, options?: FirstPromoterCallOptions): Promise<PromoterReply>;
    /** Changes a promoter. With `find_by` among the changes, `id` is the value to find the promoter by. */
    update(id: number | string, changes: PromoterChanges, options?: FirstPromoterCallOptions): Promise<PromoterReply>;
  };
  batches: {
    get(id: number, options?: FirstPromoterCallOptions): Promise<BatchReply>;
    list(query?: BatchListQuery, options?: FirstPromoterCallOptions): Promise<BatchReply[]>;
    /** Yields every batch that the query finds, page by page. */
    all(query?: BatchListQuery, options?: FirstPromoterCallOptions): AsyncGenerator<BatchReply, void, undefined>;
    /** Returns the progress of batches: batch id to whole percent. */
    progress(query?: BatchListQuery, options?: FirstPromoterCallOptions): Promise<Record<string, number>>;
    /** Polls the batch until it is completed, failed or stopped, and returns it. @throws `WaitTimedOut` */
    wait(id: number, options?: WaitOptions): Promise<BatchReply>;
    /** Returns a page of the outcomes of a batch. This and the calls below are extensions of this package's servers. */
    items(id: number, query?: BatchItemsQuery, options?: FirstPromoterCallOptions): Promise<BatchItemsReply>;
    /** Yields the outcome of every id of a batch, page by page. */
    everyItem(
      id: number,
      query?: Pick<BatchItemsQuery, "outcome" | "per_page">,
      options?: FirstPromoterCallOptions,
    ): AsyncGenerator<BatchItem, void, undefined>;
    /** Starts no further chunk of the batch. */
    stop(id: number, options?: FirstPromoterCallOptions): Promise<BatchReply>;
    /** Continues a stopped batch. */
    resume(id: number, options?: FirstPromoterCallOptions): Promise<BatchReply>;
    /** Runs the failed ids again. */
    retry(id: number, options?: FirstPromoterCallOptions): Promise<BatchReply>;
    /** Restores what an archive batch archived, except promoters restored since. Returns a new batch. */
    undo(id: number, options?: BatchCallOptions): Promise<BatchReply>;
  };
}

/**
 * Creates a client of FirstPromoter's API v2, or of a gateway that serves it. `baseUrl` is the part before the documented path:
 * `https://api.firstpromoter.com/api/v2/company`. Reads, `restore` and `archive` are repeated if the connection is lost or the
 * server is busy. With `keepsKeys`, batch calls with an `idempotencyKey` are repeated too. No other call is repeated.
 *
 * @throws `TypeError` for options that no call could be made with.
 * @example
 * const { promoters, batches } = createFirstPromoterClient({ baseUrl, apiKey, accountId });
 * const { id } = await promoters.restore([1, 2, 3, 4, 5, 6]);
 * console.log((await batches.wait(id)).processed_count);
 */
export function createFirstPromoterClient(options: FirstPromoterClientOptions): FirstPromoterClient {
  const call = createFirstPromoterCaller(options);

  /** Makes a call that creates a batch. `idempotent`: a second call ends in the same state. */
  const batch = (
    path: string,
    { body, query }: { body?: object; query?: object },
    { signal, idempotencyKey }: BatchCallOptions = {},
    idempotent = false,
  ) =>
    call({
      method: "POST",
      path,
      answer: batchReply,
      body,
      ...(query && { query: toBracketParams(query) }),
      ...(idempotencyKey !== undefined && { headers: { "idempotency-key": idempotencyKey } }),
      signal,
      repeatable: idempotent || (idempotencyKey !== undefined && options.keepsKeys === true),
    });

  const act = (name: string, ids: readonly number[], params: object, callOptions: BatchCallOptions = {}) =>
    batch(
      // A path of its own: the vendor would ignore a parameter and carry the call out.
      `/promoters/${name}${callOptions.dryRun ? "/dry_run" : ""}`,
      { body: { ids, ...params } },
      callOptions,
      name === "restore" || name === "archive" || callOptions.dryRun === true,
    );

  const control = (id: number, verb: string, { signal }: FirstPromoterCallOptions = {}) =>
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
      create: (promoter, { signal } = {}) =>
        call({ method: "POST", path: "/promoters", answer: promoterReply, body: promoter, signal }),
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
        const stop = AbortSignal.any([signal, timeout].filter((each) => each !== undefined));
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
      stop: (id, options) => control(id, "stop", options),
      resume: (id, options) => control(id, "resume", options),
      retry: (id, options) => control(id, "retry", options),
      undo: (id, options) => batch(`/batch_processes/${id}/undo`, { query: { dry_run: options?.dryRun } }, options),
    },
  };
  return client;
}

/** Reads pages until one is not full, because the vendor returns no total. */
async function* byPage<Query extends { page?: number; per_page?: number }, Entry>(
  query: Query | undefined,
  read: (query: Query & { page: number; per_page: number }) => Promise<Entry[]>,
): AsyncGenerator<Entry, void, undefined> {
  // With more than the vendor's maximum, a full page would look like the last one. With 0, no page would.
  const per_page = Math.min(100, Math.max(1, Math.trunc(query?.per_page ?? 100)));
  for (let page = query?.page ?? 1; ; page++) {
    const entries = await read({ ...(query as Query), page, per_page });
    yield* entries;
    if (entries.length < per_page) return;
  }
}
