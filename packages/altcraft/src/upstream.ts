import { createHash } from "node:crypto";
import { type AnyOperation, type Clock, defineOperation, NotNow, type Outcome, type Work } from "@reinstate/batch-core";
import { createCircuitBreaker, type RetryOptions } from "@reinstate/batch-core/client";
import { createAltcraftClient, VendorError } from "./client.ts";
import { mayRefuse, operationNames, paramsOf } from "./operations.ts";
import type { AltcraftSettings, Upstream } from "./options.ts";
import {
  consentRefusal,
  digestOf,
  erased,
  type FlagVerb,
  keyOf,
  missing,
  outcomeOf,
  statusWord,
  textOf,
} from "./rules.ts";
import { type Asking, type ProfileSubscription, type SubscriptionIdentity, subscriptionIdentity } from "./schemas.ts";
import { type Sighting, sightingOf } from "./sighting.ts";
import type { ConsentStore } from "./store.ts";

/** So many times a chunk is tried as a whole; the last try tells what it knows of each item. */
const lastAttempt = 5;

/** Chunks kept in mind. Those that other processes took over are never heard of again, so the whole is dropped now and then. */
const triesInMind = 1000;

const hidden = { code: "hidden", message: "The profile does not show the address of this subscription" };

/** No token, a used-up tariff, no rights: what the vendor then says of one item it says of all. */
const refusesAll = [401, 402, 403];
/** After such an answer the batch waits for so long. */
const refusedPauseMs = 15 * 60_000;

type UpstreamWork = Work<SubscriptionIdentity, Asking>;

export interface UpstreamParts {
  upstream: Upstream;
  /** A word that no other installation has. */
  installation: string;
  consent: ConsentStore;
  clock: Clock;
  settings: AltcraftSettings;
}

/**
 * Undelete and delete carried out by the real Altcraft: one call for each subscription, so many at once and so many per
 * second as the settings say. An item's `Request-ID` follows from this installation, the batch, the generation and the item:
 * after a crash the same ids are sent again, and the vendor's deduplication carries out only what it had not yet. A dry run
 * and the consent guard look at what `profiles/get` shows: nothing else there tells what is deleted. What was erased here is
 * never asked back, whatever the guard is told.
 */
export function createUpstream({ upstream, installation, consent, clock, settings }: UpstreamParts): AnyOperation[] {
  const breaker = createCircuitBreaker("Altcraft", () => clock.now());
  // The core repeats chunks, and more patiently; the client repeats what a moment mends.
  const retry: RetryOptions = { attempts: 3, sleep: (ms, signal) => clock.sleep(ms, signal) };
  const client = createAltcraftClient({ retry, breaker, ...upstream });
  const keyText = (item: SubscriptionIdentity) => textOf(keyOf(item, settings));

  const requestIdOf = (verb: FlagVerb, { batchId, generation }: UpstreamWork, key: string): string =>
    createHash("sha256")
      .update(JSON.stringify([installation, verb, batchId, generation, key]))
      .digest("hex");

  /** Looks items up in their profiles, each of which is asked for once. */
  function createLook({ signal }: UpstreamWork) {
    const profiles = new Map<string, Promise<ProfileSubscription[]>>();
    async function subscriptionsOf({ db_id, profile_id }: SubscriptionIdentity): Promise<ProfileSubscription[]> {
      const match = { db_id, matching: "profile_id", profile_id } as const;
      return (await client.profiles.get(match, { signal })).data.subscriptions;
    }
    return {
      calls: () => profiles.size,
      async at(item: SubscriptionIdentity): Promise<Sighting> {
        const name = `${item.db_id} ${item.profile_id}`;
        const asked = profiles.get(name) ?? subscriptionsOf(item);
        profiles.set(name, asked);
        return sightingOf(item, await asked, settings);
      },
    };
  }

  /** Asks for the answer of every item, so many at once; where some have none yet, the chunk comes again. */
  async function settled(
    work: UpstreamWork,
    inDoubt: Set<string>,
    ask: (item: SubscriptionIdentity, key: string) => Promise<Outcome>,
  ): Promise<Outcome[]> {
    const answers = new Map<SubscriptionIdentity, Outcome | VendorError>();
    const forbidden: VendorError[] = [];
    await inParallel(work.items, settings.upstreamConcurrency, work.signal, async (item) => {
      const key = keyText(item);
      try {
        answers.set(item, await ask(item, key));
      } catch (error) {
        if (!VendorError.is(error) || error.kind === "circuit_open") throw error;
        const refusal = refusalOfAll(error);
        if (refusal !== undefined && refusal !== 403) throw pauseFor(work, error);
        if (refusal === 403) forbidden.push(error);
        answers.set(item, error.kind === "rejected" ? verdictOf(key, error) : error);
      }
    });
    // A token may lack the rights to some groups of objects; one that may nothing at all is the operator's to mend.
    if (forbidden[0] && forbidden.length === work.items.length) throw pauseFor(work, forbidden[0]);
    if (work.signal.aborted) throw new NotNow(0, "The process is asked to stop");
    const unanswered = [...answers.values()].filter((answer) => VendorError.is(answer));
    // The whole chunk again, later: what was done is not done twice.
    if (unanswered.length > 0 && work.attempt < lastAttempt) throw mostPatient(unanswered);
    return work.items.map((item) => {
      const answer = answers.get(item) as Outcome | VendorError;
      if (!VendorError.is(answer)) return answer;
      const key = keyText(item);
      return { key, outcome: inDoubt.has(key) ? "unknown" : "failed", code: answer.kind, message: answer.message };
    });
  }

  /** The chunks that this process is trying, each with what may have been carried out though no answer came. */
  const tries = new Map<string, { attempt: number; inDoubt: Set<string> }>();

  /** Runs one try of a chunk with the doubts that earlier ones left; of those that another process made, all is in doubt. */
  async function withDoubts(work: UpstreamWork, run: (inDoubt: Set<string>) => Promise<Outcome[]>): Promise<Outcome[]> {
    const name = `${work.batchId} ${work.generation} ${work.seq}`;
    const before = tries.get(name);
    const isNext = before !== undefined && before.attempt >= work.attempt - 1;
    const inDoubt = isNext ? before.inDoubt : new Set(work.attempt > 1 ? work.items.map(keyText) : []);
    if (tries.size >= triesInMind) tries.clear();
    tries.set(name, { attempt: work.attempt, inDoubt });
    const outcomes = await run(inDoubt);
    tries.delete(name);
    return outcomes;
  }

  /** Stops the batch for a while, with its items unsent. */
  function pauseFor({ batchId, log }: UpstreamWork, error: VendorError): NotNow {
    log.error({ batch: batchId, error: error.message }, "the real Altcraft lets us do nothing; the batch waits");
    return new NotNow(clock.now() + (error.retryAfterMs ?? refusedPauseMs), error.message, "vendor");
  }

  /** The texts of the keys whose address is on the suppression list of this installation; of the vendor's none is documented. */
  async function suppressedHere(items: readonly SubscriptionIdentity[]): Promise<Set<string>> {
    const keys = items.map((item) => keyOf(item, settings));
    const listed = await consent.suppressed(keys);
    return new Set(keys.filter((_, index) => listed[index]).map(textOf));
  }

  /** Runs what may be sent; what was erased here is not. */
  async function withoutErased(
    verb: FlagVerb,
    work: UpstreamWork,
    run: (work: UpstreamWork) => Promise<Outcome[]>,
  ): Promise<Outcome[]> {
    if (verb === "delete") return run(work);
    const digests = work.items.map((item) => digestOf(keyOf(item, settings)));
    const gone = await consent.erased(digests);
    if (gone.size === 0) return run(work);
    const isGone = (index: number) => gone.has(digests[index] ?? "");
    const items = work.items.filter((_, index) => !isGone(index));
    const refused = work.items.filter((_, index) => isGone(index));
    const outcomes = items.length > 0 ? await run({ ...work, items }) : [];
    return [...outcomes, ...refused.map((item): Outcome => ({ key: keyText(item), outcome: "failed", ...erased }))];
  }

  /** Why the guard lets an item not through; undefined where it does. */
  function refusalOf(key: string, seen: Sighting, suppressed: ReadonlySet<string>): Outcome | undefined {
    if (seen === "missing") return { key, outcome: "failed", ...missing };
    // Whose consent cannot be known has none.
    if (seen === "hidden") return { key, outcome: "failed", ...hidden };
    const refusal = consentRefusal({ status: statusWord(seen.status), suppressed: suppressed.has(key) });
    return refusal && { key, outcome: "failed", ...refusal };
  }

  /** What would become of an item that the guard lets through. */
  function expected(verb: FlagVerb, key: string, seen: Sighting): Outcome {
    if (seen === "hidden") return { key, outcome: "unknown", ...hidden };
    if (seen === "missing") return outcomeOf(verb, key, "missing");
    return outcomeOf(verb, key, (seen.is_delete === true) === (verb === "undelete") ? "changed" : "unchanged");
  }

  async function until(time: number, signal: AbortSignal): Promise<void> {
    const ms = time - clock.now();
    if (ms > 0) await clock.sleep(ms, signal);
  }

  return (["undelete", "delete"] as const).map((verb) => {
    const carryOut = (work: UpstreamWork, inDoubt: Set<string>) =>
      settled(work, inDoubt, async (item, key) => {
        const { signal } = work;
        try {
          await client.subscriptions[verb](item, { requestId: requestIdOf(verb, work, key), signal });
        } catch (error) {
          if (!VendorError.is(error) || (error.kind !== "rejected" && !error.retryable)) inDoubt.add(key);
          throw error;
        }
        return { key, outcome: "done" };
      });

    /** All are looked at before the first is sent, at the vendor's pace: the core admits a call for each item, and no more. */
    async function carryOutGuarded(work: UpstreamWork, inDoubt: Set<string>): Promise<Outcome[]> {
      const begun = clock.now();
      const suppressed = await suppressedHere(work.items);
      const look = createLook(work);
      const verdicts = await settled(work, inDoubt, async (item, key) => {
        return refusalOf(key, await look.at(item), suppressed) ?? { key, outcome: "done" };
      });
      const free = work.items.filter((_, index) => verdicts[index]?.outcome === "done");
      const timeOf = (calls: number) => begun + (calls * 1000) / settings.upstreamPerSecond;
      await until(timeOf(look.calls()), work.signal);
      const carriedOut = await carryOut({ ...work, items: free }, inDoubt);
      await until(timeOf(look.calls() + free.length), work.signal);
      const byKey = new Map(carriedOut.map((outcome) => [outcome.key, outcome]));
      return verdicts.map((verdict) => byKey.get(verdict.key) ?? verdict);
    }

    return defineOperation<SubscriptionIdentity, Asking>({
      name: operationNames[verb],
      label: `subscriptions/${verb}`,
      target: "upstream",
      effects: "elsewhere",
      repeatable: true,
      item: subscriptionIdentity,
      params: paramsOf(verb, settings),
      key: keyText,
      // At most what a second allows, so that the pace holds within a chunk too.
      chunkSize: Math.max(1, Math.min(50, Math.floor(settings.upstreamPerSecond))),
      // A chunk of many may have to be tried again, which nobody should wait for.
      inlineLimit: 1,
      pace: { concurrency: 1, perSecond: settings.upstreamPerSecond, requests: (items) => items },
      apply(work) {
        const run = mayRefuse(verb, work.params, settings) ? carryOutGuarded : carryOut;
        return withoutErased(verb, work, (work) => withDoubts(work, (inDoubt) => run(work, inDoubt)));
      },
      preview: (work) =>
        withoutErased(verb, work, async (work) => {
          const suppressed = mayRefuse(verb, work.params, settings) ? await suppressedHere(work.items) : undefined;
          const look = createLook(work);
          return settled(work, new Set(), async (item, key) => {
            const seen = await look.at(item);
            return (suppressed && refusalOf(key, seen, suppressed)) ?? expected(verb, key, seen);
          });
        }),
    });
  });
}

/** 401, 402 or 403, told by the vendor or by what stands before it; undefined where it is none of them. */
function refusalOfAll({ kind, code, status }: VendorError): number | undefined {
  if (kind !== "rejected" && kind !== "bad_reply") return undefined;
  return refusesAll.find((refusal) => refusal === (code ?? status));
}

/** What the vendor says of one item. */
const verdictOf = (key: string, { code, message }: VendorError): Outcome => ({
  ...{ key, outcome: "failed", code: String(code), message },
});

/** The error that asks for the longest wait. */
const mostPatient = (errors: VendorError[]) =>
  errors.reduce((most, error) => ((error.retryAfterMs ?? 0) > (most.retryAfterMs ?? 0) ? error : most));

/** Works on all items, so many at once, until it is asked to stop. The first error ends it, once all that is at work has ended. */
async function inParallel<Item>(
  items: readonly Item[],
  lanes: number,
  signal: AbortSignal,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  let failure: { error: unknown } | undefined;
  async function lane() {
    for (const item of waiting) {
      try {
        await work(item);
      } catch (error) {
        failure ??= { error };
      }
      if (failure || signal.aborted) return;
    }
  }
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
  if (failure && !signal.aborted) throw failure.error;
}
