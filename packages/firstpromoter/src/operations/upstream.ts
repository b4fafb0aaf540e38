import { createRateLimit, type Host, type Operation, type Outcome, type Work } from "@reinstate/batch-core";
import { createCircuitBreaker } from "@reinstate/batch-core/client";
import { defineReadBackOperation } from "@reinstate/batch-core/upstream";
import * as z from "zod";
import { isOver } from "../client/replies.ts";
import { type BatchReply, createFirstPromoterClient, type FirstPromoterClient, VendorError } from "../client.ts";
import type { Upstream } from "../options.ts";
import { notFoundText } from "../promoters/rules.ts";
import { actions, itemColumns, operationName } from "./operations.ts";

/** Ids per call of the vendor, which is also the longest page of `GET /promoters`. */
const chunkSize = 100;
/** Two reads before, the call, and one read after. If the vendor runs the batch in the background, a few polls too. */
const countRequests = (items: number) => (items > 5 ? 7 : 4);
/** The vendor allows 400 requests a minute. The rest is for other users of the account. */
const requestsPerSecond = 5;
/** The limit over all processes, repeats and polls included. */
const requestsPerMinute = 380;

type Verb = "restore" | "archive";
type ChunkWork = Work<number, unknown>;

/** The clients of one account of the vendor. */
interface Clients {
  reading: FirstPromoterClient;
  /** Never repeats a call: after a lost response, the core reads before it sends again. */
  sending: FirstPromoterClient;
}

/**
 * Defines `restore` and `archive` at the real FirstPromoter. The vendor returns only counts, so each outcome is read back from
 * `archived_at`. `upstreams`: one for each account. `closing` ends the wait for a batch of the vendor.
 */
export function createUpstreamOperations(
  host: Host,
  upstreams: readonly Upstream[],
  closing: AbortSignal,
): Operation<number, unknown>[] {
  const accounts = new Map(upstreams.map((upstream) => [upstream.accountId, createClients(host, upstream)]));
  const [only] = upstreams;
  /** Finds the clients of an account. A batch without an account belongs to the only one. */
  const findClients = (account: string) =>
    accounts.get(account === "" && only && accounts.size === 1 ? only.accountId : account);

  function requireClients({ account }: ChunkWork): Clients {
    const clients = findClients(account);
    if (!clients) throw new Error(`FirstPromoter has no upstream for account ${account}`);
    return clients;
  }

  /** Returns the ids that are archived, or the ids that are live. */
  async function readArchived(ids: readonly number[], archived: boolean, work: ChunkWork): Promise<Set<number>> {
    const query = { ids, filters: { archived }, per_page: chunkSize };
    const { data } = await requireClients(work).reading.promoters.list(query, { signal: work.signal });
    // Checks the record itself, because a server may ignore the filter.
    return new Set(data.filter(({ archived_at }) => (archived_at != null) === archived).map(({ id }) => id));
  }

  /** Finds unfinished batches of promoters that are no larger than the chunk. */
  async function findUnfinished(ids: readonly number[], work: ChunkWork): Promise<string[]> {
    const query = { status: ["pending", "in_progress"], per_page: 100 } as const;
    const batches = await requireClients(work).reading.batches.list(query, { signal: work.signal });
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
      role: verb,
      item: z.int().min(1),
      columns: itemColumns,
      params: actions[verb].params,
      opposite: actions[verb].opposite,
      chunkSize,
      // Both verbs share the one limit of their account.
      limits: {
        name: "firstpromoter upstream",
        perAccount: true,
        perSecond: requestsPerSecond,
        requests: countRequests,
        concurrency: 2,
      },
      refuseAccount(account) {
        if (findClients(account)) return undefined;
        if (account === "") return "FirstPromoter is configured for several accounts; name one in the batch";
        return `FirstPromoter is not configured for account ${account}`;
      },
      unchanged: isArchive ? "already_archived" : "not_archived",
      missing: (id) => ({ code: "not_found", message: notFoundText(id) }),
      async look(ids, work) {
        const before = await readArchived(ids, !isArchive, work);
        return { before, after: await readArchived(ids, isArchive, work) };
      },
      send: (ids, work) => requireClients(work).sending.promoters[verb](ids, { signal: work.signal }),
      jobs: {
        closing,
        isOver,
        id: ({ id }) => id,
        read: (id, work) => requireClients(work).reading.batches.get(Number(id), { signal: work.signal }),
        findUnfinished,
      },
      async readBack(ids, batch, work) {
        const { batchId, seq, log } = work;
        const changed = await readArchived(ids, isArchive, work);
        log.info({ batch: batchId, chunk: seq, theirs: batch.id, status: batch.status }, "upstream batch ended");
        return ids.map((key) => toOutcome(key, changed.has(key), verb, batch));
      },
    });
  });
}

function createClients(host: Host, upstream: Upstream): Clients {
  const { clock } = host;
  // One token a call: the vendor's limit must never be exceeded, and a statement is cheap compared with a call.
  const limit = createRateLimit(host, { name: "firstpromoter upstream", perMinute: requestsPerMinute, block: 1 });
  const connection = {
    ...upstream,
    breaker: createCircuitBreaker("FirstPromoter", () => clock.now()),
    retry: {
      sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
      // Our own limit may ask for a full minute.
      longestRetryAfterMs: 2 * 60_000,
    },
    async fetch(input: string, init: RequestInit) {
      const retryAfterMs = await limit.take(upstream.accountId).catch((cause: unknown) => {
        throw new VendorError("unavailable", "The rate limit in the ledger cannot be read", { cause });
      });
      if (retryAfterMs === undefined) return (upstream.fetch ?? fetch)(input, init);
      throw new VendorError("rate_limited", "FirstPromoter's requests for this minute are used up", { retryAfterMs });
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
