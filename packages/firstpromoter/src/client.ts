import * as z from "zod";
import { type ConnectionOptions, createCaller } from "./client-call.ts";
import {
  type BatchItem,
  type BatchItems,
  type BatchProcess,
  type BatchStatus,
  batchItems,
  batchProcess,
  batchProgress,
  type ItemOutcome,
  type NewPromoter,
  type Promoter,
  type PromoterChanges,
  type PromoterList,
  promoter,
  promoterList,
} from "./schemas.ts";

export { type RetryOptions, VendorError } from "@reinstate/batch-core/client";

/** Where the vendor is, and who asks. */
export type FirstPromoterClientOptions = ConnectionOptions;

export interface FirstPromoterCallOptions {
  signal?: AbortSignal;
}

/** The two of these that are opt-in are not the vendor's: servers of this package take them. */
export interface BatchCallOptions extends FirstPromoterCallOptions {
  /** A repeat with the same key is answered as the first time; with one, the client may repeat any batch call by itself. */
  idempotencyKey?: string;
  /** Only tell what would happen. */
  dryRun?: boolean;
}

export type FindBy = "email" | "cust_id" | "auth_token" | "ref_token" | "promo_code";

/** The query of `GET /promoters`, as the vendor documents it: `{ filters: { archived: true }, sorting: { joined_at: "asc" } }`. */
export interface PromoterListQuery {
  q?: string;
  ids?: readonly number[];
  filters?: Record<string, unknown>;
  sorting?: Record<string, "asc" | "desc">;
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
  /** Milliseconds until the wait is given up with an error. Default: never. */
  timeoutMs?: number;
}

/** Each call answers with the vendor's own reply, or throws a `VendorError` with the vendor's code. */
export interface FirstPromoterClient {
  promoters: {
    /** Brings archived promoters back. Up to 5 ids the batch is `completed`, with more `pending`: see `batches.wait`. */
    restore(ids: readonly number[], options?: BatchCallOptions): Promise<BatchProcess>;
    /** Blocks promoters in all campaigns and takes their access to the dashboard away; `restore` undoes it. */
    archive(ids: readonly number[], options?: BatchCallOptions): Promise<BatchProcess>;
    accept(ids: readonly number[], campaignId: number, options?: BatchCallOptions): Promise<BatchProcess>;
    reject(ids: readonly number[], campaignId: number, options?: BatchCallOptions): Promise<BatchProcess>;
    block(ids: readonly number[], campaignId: number, options?: BatchCallOptions): Promise<BatchProcess>;
    moveToCampaign(
      ids: readonly number[],
      move: { from_campaign_id: number; to_campaign_id: number; drip_emails?: boolean; soft_move_referrals?: boolean },
      options?: FirstPromoterCallOptions,
    ): Promise<BatchProcess>;
    addToCampaign(
      ids: readonly number[],
      campaign: { campaign_id: number; drip_emails?: boolean },
      options?: FirstPromoterCallOptions,
    ): Promise<BatchProcess>;
    assignParent(ids: readonly number[], parentPromoterId: number, options?: BatchCallOptions): Promise<BatchProcess>;
    list(query?: PromoterListQuery, options?: FirstPromoterCallOptions): Promise<PromoterList>;
    /**
     * Every promoter that the query finds, page after page from `page` on, 100 a page unless it says otherwise. Who enters or
     * leaves the list meanwhile may be told twice or not at all.
     */
    all(query?: PromoterListQuery, options?: FirstPromoterCallOptions): AsyncGenerator<Promoter, void, undefined>;
    /** By id, or with `findBy` by another of the promoter's values. */
    get(
      id: number | string,
      options?: FirstPromoterCallOptions & { findBy?: FindBy; includeParentPromoter?: boolean },
    ): Promise<Promoter>;
    create(given: NewPromoter, options?: FirstPromoterCallOptions): Promise<Promoter>;
    /** With `find_by` among the changes, `id` is the value that is looked for. */
    update(id: number | string, changes: PromoterChanges, options?: FirstPromoterCallOptions): Promise<Promoter>;
  };
  batches: {
    get(id: number, options?: FirstPromoterCallOptions): Promise<BatchProcess>;
    list(query?: BatchListQuery, options?: FirstPromoterCallOptions): Promise<BatchProcess[]>;
    /** Every batch that the query finds, page after page. */
    all(query?: BatchListQuery, options?: FirstPromoterCallOptions): AsyncGenerator<BatchProcess, void, undefined>;
    /** Batch id to whole percent. */
    progress(query?: BatchListQuery, options?: FirstPromoterCallOptions): Promise<Record<string, number>>;
    /** Looks again and again until the batch is completed, failed or stopped, and answers with it. */
    wait(id: number, options?: WaitOptions): Promise<BatchProcess>;
    /** A page of what became of the ids of a batch. Not the vendor's, as everything below. */
    items(id: number, query?: BatchItemsQuery, options?: FirstPromoterCallOptions): Promise<BatchItems>;
    /** What became of every id of a batch, page after page. */
    everyItem(
      id: number,
      query?: Pick<BatchItemsQuery, "outcome" | "per_page">,
      options?: FirstPromoterCallOptions,
    ): AsyncGenerator<BatchItem, void, undefined>;
    /** Nothing more of it is begun. */
    stop(id: number, options?: FirstPromoterCallOptions): Promise<BatchProcess>;
    /** A stopped batch goes on. */
    resume(id: number, options?: FirstPromoterCallOptions): Promise<BatchProcess>;
    /** Its failed ids are run again. */
    retry(id: number, options?: FirstPromoterCallOptions): Promise<BatchProcess>;
    /** Brings those back whom this archive batch archived and nobody has restored since; answers with a batch of its own. */
    undo(id: number, options?: BatchCallOptions): Promise<BatchProcess>;
  };
}

/**
 * A client of FirstPromoter's API v2, or of a gateway that serves it. `baseUrl` is what stands before the documented path, as
 * `https://api.firstpromoter.com/api/v2/company`. Reads, `restore`, `archive` and batch calls with an `idempotencyKey` are
 * repeated where the connection is lost or the server is busy; nothing else is.
 */
export function createFirstPromoterClient(options: FirstPromoterClientOptions): FirstPromoterClient {
  const call = createCaller(options);

  /** A call that makes a batch. `same`: made twice, it ends in the same state. */
  const batch = (
    path: string,
    body: object | undefined,
    { signal, idempotencyKey, dryRun }: BatchCallOptions = {},
    same = false,
  ) =>
    call({
      method: "POST",
      path,
      answer: batchProcess,
      body,
      query: { dry_run: dryRun },
      ...(idempotencyKey !== undefined && { headers: { "idempotency-key": idempotencyKey } }),
      signal,
      repeatable: same || idempotencyKey !== undefined,
    });

  const act = (name: string, ids: readonly number[], params: object, options?: BatchCallOptions) =>
    batch(`/promoters/${name}`, { ids, ...params }, options, name === "restore" || name === "archive");

  const move = (id: number, verb: string, { signal }: FirstPromoterCallOptions = {}) =>
    call({ method: "POST", path: `/batch_processes/${id}/${verb}`, answer: batchProcess, signal });

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
      list: (query, { signal } = {}) =>
        call({ method: "GET", path: "/promoters", answer: promoterList, query, signal }),
      all: (query, options) => byPage(query, async (page) => (await client.promoters.list(page, options)).data),
      get: (id, { signal, findBy, includeParentPromoter } = {}) =>
        call({
          method: "GET",
          path: `/promoters/${encodeURIComponent(id)}`,
          answer: promoter,
          query: { find_by: findBy, include_parent_promoter: includeParentPromoter },
          signal,
        }),
      create: (given, { signal } = {}) =>
        call({ method: "POST", path: "/promoters", answer: promoter, body: given, signal }),
      update: (id, changes, { signal } = {}) =>
        call({
          method: "PUT",
          path: `/promoters/${encodeURIComponent(id)}`,
          answer: promoter,
          body: changes,
          signal,
        }),
    },
    batches: {
      get: (id, { signal } = {}) =>
        call({ method: "GET", path: `/batch_processes/${id}`, answer: batchProcess, signal }),
      list: (query = {}, { signal } = {}) =>
        call({
          method: "GET",
          path: "/batch_processes",
          answer: z.array(batchProcess),
          query: batchQuery(query),
          signal,
        }),
      all: (query, options) => byPage(query, (page) => client.batches.list(page, options)),
      progress: (query = {}, { signal } = {}) =>
        call({
          method: "GET",
          path: "/batch_processes/progress",
          answer: batchProgress,
          query: batchQuery(query),
          signal,
        }),
      async wait(id, { signal, pollMs = 1_000, timeoutMs } = {}) {
        const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
        const stop = AbortSignal.any([signal, timeout].filter((one) => one !== undefined));
        for (;;) {
          stop.throwIfAborted();
          const batch = await client.batches.get(id, { signal: stop });
          if (batch.status !== "pending" && batch.status !== "in_progress") return batch;
          await pause(pollMs, stop);
        }
      },
      items: (id, { outcome, ...page } = {}, { signal } = {}) =>
        call({
          method: "GET",
          path: `/batch_processes/${id}/items`,
          answer: batchItems,
          query: { ...(outcome && { filters: { outcome } }), ...page },
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
      undo: (id, options) => batch(`/batch_processes/${id}/undo`, undefined, options),
    },
  };
  return client;
}

/** One after the other, until a page is not full: the vendor tells no total. */
async function* byPage<Query extends { page?: number; per_page?: number }, One>(
  query: Query | undefined,
  read: (query: Query & { page: number; per_page: number }) => Promise<One[]>,
): AsyncGenerator<One, void, undefined> {
  const per_page = query?.per_page ?? 100;
  for (let page = query?.page ?? 1; ; page++) {
    const found = await read({ ...(query as Query), page, per_page });
    yield* found;
    if (found.length < per_page) return;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", wake);
  });
}
