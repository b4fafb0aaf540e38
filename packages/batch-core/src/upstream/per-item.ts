import { createHash } from "node:crypto";
import { VendorError } from "../client/vendor-error.ts";
import { DeferUntil, markPossibleEffect } from "../errors/errors.ts";
import { maxAttempts } from "../execution/retry-policy.ts";
import type { Host } from "../host.ts";
import { createIntents } from "../ledger/intents.ts";
import { defineOperation, type ItemKey, type Operation, type Outcome, type Work } from "../operation/operation.ts";
import { forEachAtOnce } from "./for-each-at-once.ts";

/** Statuses of a rejection that applies to all items: no token, a used-up tariff, no rights. */
const accountRejections = [401, 402, 403];
/** The wait of a batch after such a rejection. */
const accountPauseMs = 15 * 60_000;

/** An item of a chunk and its outcome, once it has one. */
export interface ListedItem<Item> {
  item: Item;
  key: ItemKey;
  outcome?: Outcome | undefined;
}

/** The items of a chunk. Each step of the work gives some of them an outcome. */
export interface ItemList<Item, Params> {
  work: Work<Item, Params>;
  /** Returns the items without an outcome. */
  undecided(): ListedItem<Item>[];
  /**
   * Calls the vendor for each undecided item, a bounded number at once. The result becomes the item's outcome; undefined leaves the
   * item undecided. A rejection fails the item, or pauses the batch if it applies to all. Any other failure throws after the last item, so
   * that the chunk is retried; in the last attempt it becomes the item's outcome.
   */
  callEach(call: (entry: ListedItem<Item>) => Promise<Outcome | undefined>): Promise<void>;
}

/** The items that earlier attempts of a chunk may have changed although the reply was lost, and those that they have changed. */
interface Earlier {
  inDoubt: Set<ItemKey>;
  done: Set<ItemKey>;
}

/** A verb of a vendor that changes one item by one call, whose reply is the item's outcome. */
export interface PerItemOperation<Item, Params>
  extends Pick<
    Operation<Item, Params>,
    "name" | "label" | "role" | "columns" | "item" | "params" | "key" | "opposite"
  > {
  /** The vendor's name, for logs. */
  vendor: string;
  /** A text that is unique to this installation. Request ids begin with it. */
  installation: string;
  /** Maximum number of concurrent calls in one process. */
  concurrency: number;
  /** Calls per second, over all processes. */
  perSecond: number;
  /** Gives an outcome to items that must not be sent. Returns how many calls that took. */
  screen?(list: ItemList<Item, Params>): Promise<number>;
  /** Makes the call for one item. A second call with the same request id must have no second effect. */
  send(item: Item, call: { requestId: string; signal: AbortSignal }): Promise<unknown>;
  /** Sets the outcome that every item would have, and changes nothing. */
  preview?(list: ItemList<Item, Params>): Promise<void>;
}

/**
 * Defines an operation that makes one call for each item. An item's request id follows from the installation, the batch, the
 * generation that first sent the item, and the item, so a repeated call has the same one.
 *
 * @example
 * definePerItemOperation(host, {
 *   name: "altcraft.subscriptions.undelete", label: "subscriptions/undelete", item: subscription, params, key: toText,
 *   vendor: "Altcraft", installation, concurrency: 4, perSecond: 20,
 *   send: (item, { requestId, signal }) => client.subscriptions.undelete(item, { requestId, signal }),
 * });
 */
export function definePerItemOperation<Item, Params>(
  { database, clock }: Pick<Host, "database" | "clock">,
  definition: PerItemOperation<Item, Params>,
): Operation<Item, Params> {
  const { vendor, installation, concurrency, perSecond, screen, send, preview, ...inherited } = definition;
  const intents = createIntents<ItemKey>(database);

  function createList(work: Work<Item, Params>, { inDoubt, done }: Earlier) {
    const all = work.items.map((item): ListedItem<Item> => {
      const key = inherited.key(item);
      return { item, key, outcome: done.has(key) ? { key, outcome: "done" } : undefined };
    });
    const undecided = () => all.filter(({ outcome }) => outcome === undefined);
    const list: ItemList<Item, Params> = {
      work,
      undecided,
      async callEach(call) {
        const entries = undecided();
        const { failures, forbidden } = await tryEach(entries, call, work);
        // A key may lack the rights to some items. If it lacks them for all, an operator has to act.
        const [refused] = forbidden.values();
        if (refused && forbidden.size === entries.length && done.size === 0) throw pauseFor(work, refused);
        keepDoubts(forbidden.keys());
        if (work.signal.aborted) throw new DeferUntil(0, "The process is asked to stop");
        // Retries the whole chunk later. A repeated call has no second effect.
        if (failures.size > 0 && work.attempt < maxAttempts) throw findMostPatient([...failures.values()]);
        for (const [entry, { kind, message }] of failures) {
          const outcome = inDoubt.has(entry.key) ? "unknown" : "failed";
          entry.outcome = { key: entry.key, outcome, code: kind, message };
        }
      },
    };
    /** An item that an earlier call may have changed has not failed because it may not be sent again. */
    function keepDoubts(entries: Iterable<ListedItem<Item>>): void {
      for (const entry of entries) {
        const { key, outcome } = entry;
        if (outcome?.outcome === "failed" && inDoubt.has(key)) entry.outcome = { ...outcome, outcome: "unknown" };
      }
    }
    return { list, keepDoubts: () => keepDoubts(all), outcomes: () => all.flatMap(({ outcome }) => outcome ?? []) };
  }

  /** Makes all calls. Returns the failures other than rejections, and the rejections for missing rights. */
  async function tryEach(
    entries: readonly ListedItem<Item>[],
    call: (entry: ListedItem<Item>) => Promise<Outcome | undefined>,
    work: Work<Item, Params>,
  ) {
    const failures = new Map<ListedItem<Item>, VendorError>();
    const forbidden = new Map<ListedItem<Item>, VendorError>();
    await forEachAtOnce(entries, concurrency, work.signal, async (entry) => {
      try {
        entry.outcome = await call(entry);
      } catch (error) {
        if (!VendorError.is(error) || error.kind === "circuit_open") throw error;
        const rejection = readAccountRejection(error);
        if (rejection !== undefined && rejection !== 403) throw pauseFor(work, error);
        if (rejection === 403) forbidden.set(entry, error);
        if (error.kind !== "rejected") failures.set(entry, error);
        else entry.outcome = { key: entry.key, outcome: "failed", code: String(error.code), message: error.message };
      }
    });
    return { failures, forbidden };
  }

  /** Pauses the batch. */
  function pauseFor({ batchId, log }: Work<Item, Params>, error: VendorError): DeferUntil {
    log.error({ batch: batchId, vendor, error: error.message }, "vendor rejected all calls, batch waits");
    return new DeferUntil(clock.now() + (error.retryAfterMs ?? accountPauseMs), error.message, "vendor");
  }

  async function sendEach(list: ItemList<Item, Params>, { inDoubt, done }: Earlier): Promise<void> {
    const { work } = list;
    if (list.undecided().length === 0) return;
    // If the process dies, any of them may have been sent.
    await intents.intend(work, {
      keys: [...new Set([...inDoubt, ...list.undecided().map(({ key }) => key)])],
      done: [...done],
    });
    try {
      await list.callEach(async ({ item, key }) => {
        const call = { requestId: toRequestId(work, key), signal: work.signal };
        await send(item, call).catch((error: unknown) => {
          if (!VendorError.is(error) || (error.kind !== "rejected" && !error.retryable)) inDoubt.add(key);
          throw error;
        });
        done.add(key);
        inDoubt.delete(key);
        return { key, outcome: "done" };
      });
    } catch (error) {
      // A worker that took the chunk over has stored its own intents.
      if (!work.signal.aborted) await intents.narrow(work, { keys: [...inDoubt], done: [...done] });
      throw done.size > 0 || inDoubt.size > 0 ? markPossibleEffect(error) : error;
    }
  }

  function toRequestId({ batchId, generation, origin }: Work<Item, Params>, key: ItemKey): string {
    const parts = [installation, inherited.name, batchId, origin?.generation ?? generation, key];
    return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  }

  return defineOperation<Item, Params>({
    ...inherited,
    target: "upstream",
    effects: "elsewhere",
    repeatable: true,
    // At most the calls of one second, so that the limit holds within a chunk too.
    chunkSize: Math.max(1, Math.min(50, Math.floor(perSecond))),
    // A larger chunk may have to be retried, and no caller waits for that.
    inlineLimit: 1,
    limits: { concurrency: 1, perSecond, requests: (items) => items },
    async apply(work) {
      const begun = clock.now();
      // The core's rate limit counts one call for each item. This wait keeps the rate for the calls of the screen.
      const keepRate = async (calls: number) => {
        const ms = begun + (calls * 1000) / perSecond - clock.now();
        if (ms > 0) await clock.sleep(ms, work.signal);
      };
      const intent = await intents.find(work);
      const earlier: Earlier = { inDoubt: new Set(intent?.keys), done: new Set(intent?.done) };
      const { list, keepDoubts, outcomes } = createList(work, earlier);
      const calls = (await screen?.(list)) ?? 0;
      keepDoubts();
      const sent = list.undecided().length;
      if (calls > 0) await keepRate(calls);
      await sendEach(list, earlier);
      if (calls > 0) await keepRate(calls + sent);
      return outcomes();
    },
    ...(preview && {
      async preview(work) {
        const { list, outcomes } = createList(work, { inDoubt: new Set(), done: new Set() });
        await preview(list);
        return outcomes();
      },
    }),
  });
}

/** Returns 401, 402 or 403 if the vendor, or a proxy before it, replied so. */
function readAccountRejection({ kind, code, status }: VendorError): number | undefined {
  if (kind !== "rejected" && kind !== "bad_reply") return undefined;
  return accountRejections.find((rejection) => rejection === (code ?? status));
}

/** Returns the error that asks for the longest wait. */
const findMostPatient = (errors: VendorError[]) =>
  errors.reduce((most, error) => ((error.retryAfterMs ?? 0) > (most.retryAfterMs ?? 0) ? error : most));
