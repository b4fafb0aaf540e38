import { createRateLimit, type Host, type Operation, type Outcome, type Work } from "@reinstate/batch-core";
import { createCircuitBreaker } from "@reinstate/batch-core/client";
import { defineReadBackOperation } from "@reinstate/batch-core/upstream";
import * as z from "zod";
import { isOver } from "../client/replies.ts";
import { type BatchReply, createFirstPromoterClient, type FirstPromoterClient, VendorError } from "../client.ts";
import type { Upstream } from "../options.ts";
import { notFoundText } from "../promoters/rules.ts";
import { actions, itemColumns, operationName } from "./operations.ts";

/** Ids per call of the vendor; also the most that one page of `GET /promoters` shows. */
const chunkSize = 100;
/** Two reads before, the call and one read after; where the vendor goes on in the background, a few looks at its batch. */
const countRequests = (items: number) => (items > 5 ? 7 : 4);
/** The vendor allows 400 requests a minute; what this leaves is for other users of the account. */
const requestsPerSecond = 5;
/** Whatever repeats and long waits cost, all processes together make no more. */
const requestsPerMinute = 380;

type Verb = "restore" | "archive";
type ChunkWork = Work<number, unknown>;

/** The clients of one account of the vendor. */
interface Clients {
  reading: FirstPromoterClient;
  /** Repeats nothing: after a lost answer, the core reads before it sends again. */
  sending: FirstPromoterClient;
}

/**
 * Defines `restore` and `archive` at the real FirstPromoter. The outcome of each promoter is read back from `archived_at`, because
 * the vendor only counts. `upstreams`: one for each account. `closing` ends the wait for a batch of the vendor.
 */
export function createUpstreamOperations(
  host: Host,
  upstreams: readonly Upstream[],
  closing: AbortSignal,
): Operation<number, unknown>[] {
  const accounts = new Map(upstreams.map((upstream) => [upstream.accountId, createClients(host, upstream)]));
  const [only] = upstreams;
  /** A batch that names no account is for the only one. */
  const findClients = (account: string) =>
    accounts.get(account === "" && only && accounts.size === 1 ? only.accountId : account);

  function clientsFor({ account }: ChunkWork): Clients {
    const clients = findClients(account);
    if (!clients) throw new Error(`FirstPromoter has no upstream for the account ${account}`);
    return clients;
  }

  /** Returns those of the ids that are archived, or those that are live. */
  async function readArchived(ids: readonly number[], archived: boolean, work: ChunkWork): Promise<Set<number>> {
    const query = { ids, filters: { archived }, per_page: chunkSize };
    const { data } = await clientsFor(work).reading.promoters.list(query, { signal: work.signal });
    // By the record itself: a server may not know the filter.
    return new Set(data.filter(({ archived_at }) => (archived_at != null) === archived).map(({ id }) => id));
  }

  /** Finds unfinished batches of promoters, and of no more than were sent. */
  async function findUnfinished(ids: readonly number[], work: ChunkWork): Promise<string[]> {
    const query = { status: ["pending", "in_progress"], per_page: 100 } as const;
    const batches = await clientsFor(work).reading.batches.list(query, { signal: work.signal });
    return batches
      .filter(({ selected_total }) => !(selected_total > ids.length))
      .filter(({ action_label }) => !/^(referral|commission|payout|asset|invoice)/.test(action_label))
      .map(({ id }) => String(id));
  }

  return (["restore", "archive"] as const).map((verb) => {
    const isArchive = verb === "archive";
    return defineReadBackOperation<number, unknown, BatchReply>(host, {
      name: operationName(verb),
      label: `promoter/${verb}`,
      item: z.int().min(1),
      columns: itemColumns,
      params: actions[verb].params,
      chunkSize,
      // Both are calls of one account, which has one limit.
      limits: {
        name: "firstpromoter upstream",
        perAccount: true,
        perSecond: requestsPerSecond,
        requests: countRequests,
        concurrency: 2,
      },
      refuseAccount(account) {
        if (findClients(account)) return undefined;
        if (account === "") return "FirstPromoter is set up for several accounts, and the batch names none";
        return `FirstPromoter is set up for another account than ${account}`;
      },
      unchanged: isArchive ? "already_archived" : "not_archived",
      missing: (id) => ({ code: "not_found", message: notFoundText(id) }),
      async look(ids, work) {
        const before = await readArchived(ids, !isArchive, work);
        return { before, after: await readArchived(ids, isArchive, work) };
      },
      send: (ids, work) => clientsFor(work).sending.promoters[verb](ids, { signal: work.signal }),
      jobs: {
        closing,
        isOver,
        id: ({ id }) => id,
        read: (id, work) => clientsFor(work).reading.batches.get(Number(id), { signal: work.signal }),
        findUnfinished,
      },
      async readBack(ids, batch, work) {
        const { batchId, seq, log } = work;
        const changed = await readArchived(ids, isArchive, work);
        log.info({ batch: batchId, chunk: seq, theirs: batch.id, status: batch.status }, "a batch has ended");
        return ids.map((key) => toOutcome(key, changed.has(key), verb, batch));
      },
    });
  });
}

function createClients(host: Host, upstream: Upstream): Clients {
  const { clock } = host;
  // Call by call: the vendor's limit must never be exceeded, and a statement costs little beside a call of the vendor.
  const limit = createRateLimit(host, { name: "firstpromoter upstream", perMinute: requestsPerMinute, block: 1 });
  const connection = {
    ...upstream,
    breaker: createCircuitBreaker("FirstPromoter", () => clock.now()),
    retry: {
      sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
      // Our own limit may ask for the whole of its minute.
      longestRetryAfterMs: 2 * 60_000,
    },
    async fetch(input: string, init: RequestInit) {
      const retryAfterMs = await limit.take(upstream.accountId).catch((cause: unknown) => {
        throw new VendorError("unavailable", "The rate limit in the ledger cannot be read", { cause });
      });
      if (retryAfterMs === undefined) return (upstream.fetch ?? fetch)(input, init);
      throw new VendorError("rate_limited", "FirstPromoter's requests of this minute are used up", { retryAfterMs });
    },
  };
  return {
    reading: createFirstPromoterClient(connection),
    sending: createFirstPromoterClient({ ...connection, retry: { attempts: 1 } }),
  };
}

function toOutcome(key: number, changed: boolean, verb: Verb, batch: BatchReply): Outcome {
  if (changed) return { key, outcome: "done" };
  const texts = [batch.processing_errors ?? []].flat().filter((text) => typeof text === "string");
  const named = texts.find((text) => new RegExp(`(^|\\D)${key}(\\D|$)`).test(text));
  const still = verb === "restore" ? "still archived" : "not archived";
  const message =
    named ?? `Promoter ${key} is ${still} after FirstPromoter's batch ${batch.id}, which is ${batch.status}`;
  return {
    key,
    outcome: "failed",
    code: batch.status === "completed" ? "not_changed" : `batch_${batch.status}`,
    message,
  };
}
