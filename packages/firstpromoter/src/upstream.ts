import { defineOperation, type Host, type Operation, type Outcome, type Work } from "@reinstate/batch-core";
import { createCircuitBreaker } from "@reinstate/batch-core/client";
import * as z from "zod";
import { type BatchReply, createFirstPromoterClient, VendorError } from "./client.ts";
import { actions, itemColumns, operationName } from "./operations.ts";
import type { Upstream } from "./options.ts";
import { createRateLimit } from "./rate-limit.ts";
import { isOver } from "./replies.ts";
import { notFoundText } from "./rules.ts";
import type { SentStore } from "./store.ts";

/** Ids per call of the vendor; also the most that one page of `GET /promoters` shows. */
const chunkSize = 100;
/** Two reads before, the call and one read after; where the vendor goes on in the background, a few looks at its batch. */
const requestsOf = (items: number) => (items > 5 ? 7 : 4);
/** The vendor allows 400 requests a minute; what this leaves is for other users of the account. */
const requestsPerSecond = 5;
/** Whatever repeats and long waits cost, this process makes no more. */
const requestsPerMinute = 380;
/** So long is known what was sent: far longer than any chunk waits. */
const sentKeptMs = 30 * 86_400_000;
const longestPollMs = 10_000;
/** A batch of the vendor that takes longer than this is left, and looked for when the chunk is tried again. */
const patienceMs = 30 * 60_000;

type Verb = "restore" | "archive";
type ChunkWork = Work<number, unknown>;

/**
 * `restore` and `archive` carried out by the real FirstPromoter. What became of each promoter is not taken from the vendor's
 * counts but read back from his `archived_at`, and who was to be changed is written down before it is sent, so that a lost
 * answer or a crash leaves nothing to guess. `closing` ends the wait for a batch of the vendor: the chunk is put back, and
 * whoever takes it next finds out what became of it.
 */
export function createUpstreamOperations(
  { clock, log }: Host,
  upstream: Upstream,
  sent: SentStore,
  closing: AbortSignal,
): Operation<number, unknown>[] {
  const limit = createRateLimit(requestsPerMinute);
  const connection = {
    ...upstream,
    breaker: createCircuitBreaker("FirstPromoter", () => clock.now()),
    retry: {
      sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
      // Our own limit may ask for the whole of its minute.
      longestRetryAfterMs: 2 * 60_000,
    },
    async fetch(input: string, init: RequestInit) {
      const retryAfterMs = limit.take(upstream.accountId, clock.now());
      if (retryAfterMs === undefined) return (upstream.fetch ?? fetch)(input, init);
      throw new VendorError("rate_limited", "FirstPromoter's requests of this minute are used up", { retryAfterMs });
    },
  };
  const reading = createFirstPromoterClient(connection);
  // Whether a call whose answer was lost has to be made again is found out by reading.
  const sending = createFirstPromoterClient({ ...connection, retry: { attempts: 1 } });

  /** Those of the ids that are archived, or that are live. */
  async function readArchived(ids: readonly number[], archived: boolean, signal: AbortSignal): Promise<Set<number>> {
    const query = { ids, filters: { archived }, per_page: chunkSize };
    const { data } = await reading.promoters.list(query, { signal });
    // By the record itself: a server may not know the filter.
    return new Set(data.filter(({ archived_at }) => (archived_at != null) === archived).map(({ id }) => id));
  }

  /** Follows a batch of the vendor to its end. */
  async function follow(batch: BatchReply, lost: AbortSignal): Promise<BatchReply> {
    const signal = AbortSignal.any([lost, closing]);
    const deadline = clock.now() + patienceMs;
    let pause = 1_000;
    for (let last = batch; ; last = await reading.batches.get(batch.id, { signal })) {
      if (isOver(last)) return last;
      if (clock.now() > deadline) throw new Error(`FirstPromoter's batch ${batch.id} has not ended`);
      await clock.sleep(pause, signal);
      signal.throwIfAborted();
      pause = Math.min(longestPollMs, pause * 2);
    }
  }

  /** What there is to do: the ids to send, and the outcomes of the others. */
  async function survey(verb: Verb, { items, signal }: ChunkWork): Promise<{ wanted: number[]; settled: Outcome[] }> {
    let wanted: Set<number>;
    let already: Set<number>;
    try {
      wanted = await readArchived(items, verb === "restore", signal);
      already = await readArchived(items, verb !== "restore", signal);
    } catch (error) {
      if (isVerdict(error)) return { wanted: [], settled: allRefused(items, error) };
      if (!VendorError.is(error) || error.kind === "circuit_open") throw error;
      // Only reads so far: whatever went wrong, nothing was done.
      throw new VendorError("unavailable", error.message, { retryAfterMs: error.retryAfterMs, cause: error });
    }
    const settled = items.flatMap((key): Outcome[] => {
      if (wanted.has(key)) return [];
      if (already.has(key)) {
        return [{ key, outcome: "skipped", code: verb === "restore" ? "not_archived" : "already_archived" }];
      }
      return [{ key, outcome: "failed", code: "not_found", message: notFoundText(key) }];
    });
    return { wanted: items.filter((id) => wanted.has(id)), settled };
  }

  /** `before`: whom an earlier try was about to change. He who is so by now was changed by it. */
  async function carryOut(verb: Verb, work: ChunkWork, before: readonly number[] = []): Promise<Outcome[]> {
    const { account, items, signal } = work;
    if (account !== "" && account !== upstream.accountId) {
      const message = `FirstPromoter is set up for another account than ${account}`;
      return items.map((key) => ({ key, outcome: "failed", code: "wrong_account", message }));
    }
    const { wanted, settled: read } = await survey(verb, work);
    const settled = read.map((outcome): Outcome => {
      const ours = outcome.outcome === "skipped" && before.includes(outcome.key as number);
      return ours ? { key: outcome.key, outcome: "done" } : outcome;
    });
    if (wanted.length === 0) return settled;
    const all = [...new Set([...before, ...wanted])];
    await sent.write(work, all, null, clock.now());
    signal.throwIfAborted();
    let accepted: BatchReply;
    try {
      accepted = await sending.promoters[verb](wanted, { signal });
    } catch (error) {
      if (isVerdict(error)) return [...settled, ...allRefused(wanted, error)];
      // It did nothing, so whoever is so at the next try was made so by somebody else.
      if (VendorError.is(error) && error.retryable) await sent.write(work, before, null, clock.now());
      throw error;
    }
    try {
      await sent.write(work, all, accepted.id, clock.now());
      const batch = await follow(accepted, signal);
      const changed = await readArchived(wanted, verb === "archive", signal);
      log.info({ batch: work.batchId, chunk: work.seq, theirs: batch.id, status: batch.status }, "a batch has ended");
      return [...settled, ...wanted.map((key) => outcomeOf(key, changed.has(key), verb, batch))];
    } catch (error) {
      // From here on something was done, whatever the error says of the call that failed.
      const details = { cause: error, ...(VendorError.is(error) && { retryAfterMs: error.retryAfterMs }) };
      throw new VendorError("unknown_outcome", `FirstPromoter's batch ${accepted.id} was lost out of sight`, details);
    }
  }

  /**
   * After an interruption: the batch that was ours, or may have been, is followed to its end, so that what is read then is
   * final. Who has changed by then of those who were sent is done; who has not is sent again.
   */
  async function reconcile(verb: Verb, work: ChunkWork): Promise<Outcome[]> {
    const before = await sent.find(work);
    if (before) await followThose(before, work.signal);
    return carryOut(verb, work, before?.ids);
  }

  async function followThose({ ids, theirs }: { ids: number[]; theirs: number | null }, lost: AbortSignal) {
    const signal = AbortSignal.any([lost, closing]);
    const query = { status: ["pending", "in_progress"], per_page: 100 } as const;
    const batches =
      theirs === null
        ? (await reading.batches.list(query, { signal })).filter((batch) => mayBeOurs(batch, ids.length))
        : [{ id: theirs, status: "in_progress" } as BatchReply];
    for (const batch of batches) {
      // One that is not shown any more has ended.
      await follow(batch, lost).catch((error: unknown) => {
        if (!isVerdict(error)) throw error;
      });
    }
  }

  return (["restore", "archive"] as const).map((verb) =>
    defineOperation({
      name: operationName(verb),
      label: `promoter/${verb}`,
      target: "upstream",
      item: z.int().min(1),
      columns: itemColumns,
      params: actions[verb].params,
      key: (promoter: number) => promoter,
      chunkSize,
      // Both are calls of one account, which has one limit.
      pace: { name: "firstpromoter upstream", perSecond: requestsPerSecond, requests: requestsOf, concurrency: 2 },
      effects: "elsewhere",
      repeatable: false,
      accepted: (_, transaction) => sent.forget(clock.now() - sentKeptMs, transaction),
      apply: (work) => carryOut(verb, work),
      reconcile: (work) => reconcile(verb, work),
      async preview(work) {
        const { wanted, settled } = await survey(verb, work);
        return [...settled, ...wanted.map((key): Outcome => ({ key, outcome: "done" }))];
      },
    }),
  );
}

/** Of promoters, and of no more than were sent. */
function mayBeOurs({ selected_total, action_label }: BatchReply, sent: number): boolean {
  return !(selected_total > sent) && !/^(referral|commission|payout|asset|invoice)/.test(action_label);
}

/** The vendor said no, to a call as a whole: saying it again would not help. */
function isVerdict(error: unknown): error is VendorError {
  return VendorError.is(error) && error.kind === "rejected";
}

function allRefused(ids: readonly number[], { code, status, message }: VendorError): Outcome[] {
  return ids.map((key) => ({ key, outcome: "failed", code: String(code ?? status), message }));
}

function outcomeOf(key: number, changed: boolean, verb: Verb, batch: BatchReply): Outcome {
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
