import type { Batch, Host, Outcome, Refused } from "@reinstate/batch-core";
import type { ApiError } from "@reinstate/batch-core/http";
import { operationNames } from "../../operations/operations.ts";
import type { AltcraftSettings } from "../../options.ts";
import type { UndeleteOptions } from "../../schemas/consent.ts";
import type { SubscriptionIdentity } from "../../schemas/identity.ts";
import { type FlagVerb, toKey, toKeyText } from "../../subscriptions/rules.ts";
import { apiError, type ErrorKind } from "../errors.ts";
import type { MethodReply } from "./reply.ts";

/** A call that sets the flag of one or more subscriptions. */
export interface FlagRequest {
  verb: FlagVerb;
  items: readonly SubscriptionIdentity[];
  refused?: readonly Refused[];
  /** Id of the token. */
  actor: string;
  options?: UndeleteOptions;
  dryRun?: boolean;
}

/** A finished batch, and a look-up of the error of each item. */
export interface FlagResult {
  batch: Batch;
  findError(item: SubscriptionIdentity): ApiError<ErrorKind> | undefined;
}

/** Error kinds by the code of a failed outcome. */
const errorKinds: Record<string, ErrorKind> = {
  not_found: "not_found",
  erased: "erased",
  suppressed: "no_consent",
  no_consent: "no_consent",
};

/**
 * Creates the service that sets the flag of a call's subscriptions as one batch, and waits until the batch has finished.
 *
 * Invariant: the batch runs inline, and its effects are in the ledger's database. So all its chunks run in the transaction that
 * accepts it, and a crash or an error leaves nothing. A failed item does not undo the others: they commit with its outcome.
 */
export function createFlagBatches(host: Host, settings: AltcraftSettings) {
  /** Returns the error of an item; undefined if it succeeded. */
  function toError({ outcome, code, message = "" }: ItemResult, batch?: number): ApiError<ErrorKind> | undefined {
    if (outcome === "done") return undefined;
    const errorOptions = batch === undefined ? {} : { headers: { "x-reinstate-batch": String(batch) } };
    if (outcome === "skipped") {
      return settings.unchanged === "success" ? undefined : apiError("bad_request", message, errorOptions);
    }
    return apiError(errorKinds[code ?? ""] ?? "internal", message, errorOptions);
  }

  async function submit({ verb, items, refused, actor, options = {}, dryRun = false }: FlagRequest): Promise<Batch> {
    return host.batches.submit({
      operation: operationNames[verb],
      items,
      ...(refused && { refused }),
      params: options,
      actor,
      dryRun,
      inline: true,
    });
  }

  async function setOne(request: Omit<FlagRequest, "items"> & { item: SubscriptionIdentity }): Promise<Batch> {
    const batch = await submit({ ...request, items: [request.item] });
    if (batch.counts.done === 1) return batch;
    const [result] = (await host.batches.items(batch.id)).items;
    const error = toError(result as ItemResult, batch.id);
    if (error) throw error;
    return batch;
  }

  return {
    /**
     * Sets the flag of one subscription.
     *
     * @throws `ApiError` if the item failed.
     */
    setOne,

    /**
     * Deletes one subscription. Returns the reply in the form of the setting `deleteReplyData`.
     *
     * @throws `ApiError` if the item failed.
     */
    async deleteOne(request: Omit<Parameters<typeof setOne>[0], "verb">): Promise<MethodReply> {
      const batch = await setOne({ verb: "delete", ...request });
      const data = settings.deleteReplyData === "null" && { data: null };
      return { members: { ...data, ...(request.dryRun && { dry_run: true }) }, batch: batch.id };
    },

    /** Sets the flag of many subscriptions. Failed items are part of the result. */
    async setMany(request: FlagRequest): Promise<FlagResult> {
      const batch = await submit(request);
      const keyText = (item: SubscriptionIdentity) => toKeyText(toKey(item, settings));
      const results = new Map<string, ItemResult>();
      if (batch.counts.done < batch.total) {
        for await (const result of host.batches.everyItem(batch.id)) {
          if (result.outcome !== "done" && result.code !== "invalid") {
            results.set(keyText(result.item as SubscriptionIdentity), result as ItemResult);
          }
        }
      }
      return {
        batch,
        findError(item) {
          const result = results.get(keyText(item));
          return result && toError(result);
        },
      };
    },
  };
}

export type FlagBatches = ReturnType<typeof createFlagBatches>;

interface ItemResult {
  outcome: Outcome["outcome"];
  code?: string;
  message?: string;
}
