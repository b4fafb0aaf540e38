import type { Batch, Host, Outcome, Refused } from "@reinstate/batch-core";
import type { ApiError } from "@reinstate/batch-core/http";
import { operationNames } from "../../operations/operations.ts";
import type { AltcraftSettings } from "../../options.ts";
import type { SubscriptionIdentity, UndeleteOptions } from "../../schemas.ts";
import { type FlagVerb, toKey, toKeyText } from "../../subscriptions/rules.ts";
import { apiError, type ErrorKind } from "../errors.ts";
import type { MethodReply } from "./reply.ts";

/** What a call wants done beside its verb. */
export interface FlagRequest {
  verb: FlagVerb;
  items: readonly SubscriptionIdentity[];
  refused?: readonly Refused[];
  /** The id of the token. */
  actor: string;
  asking?: UndeleteOptions;
  dryRun?: boolean;
}

/** A finished batch, and what became of each item, by the text of its key. */
export interface FlagResult {
  batch: Batch;
  findError(item: SubscriptionIdentity): ApiError<ErrorKind> | undefined;
}

/** The kind of error of a failed outcome, by its code. */
const errorKinds: Record<string, ErrorKind> = {
  not_found: "not_found",
  erased: "erased",
  suppressed: "no_consent",
  no_consent: "no_consent",
};

/** Sets the flag of a call's subscriptions as one batch of the core, which is finished when it is answered. */
export function createFlagSetter(host: Host, settings: AltcraftSettings) {
  /** Returns the error of an outcome; undefined if there is none. */
  function toError({ outcome, code, message = "" }: Fate, batch?: number): ApiError<ErrorKind> | undefined {
    if (outcome === "done") return undefined;
    const options = batch === undefined ? {} : { headers: { "x-reinstate-batch": String(batch) } };
    if (outcome === "skipped") {
      return settings.unchanged === "success" ? undefined : apiError("bad_request", message, options);
    }
    return apiError(errorKinds[code ?? ""] ?? "internal", message, options);
  }

  async function submit({ verb, items, refused, actor, asking = {}, dryRun = false }: FlagRequest): Promise<Batch> {
    return host.batches.submit({
      operation: operationNames[verb],
      items,
      ...(refused && { refused }),
      params: asking,
      actor,
      dryRun,
      inline: true,
    });
  }

  async function one(request: Omit<FlagRequest, "items"> & { item: SubscriptionIdentity }): Promise<Batch> {
    const batch = await submit({ ...request, items: [request.item] });
    if (batch.counts.done === 1) return batch;
    const [found] = (await host.batches.items(batch.id)).items;
    const error = toError(found as Fate, batch.id);
    if (error) throw error;
    return batch;
  }

  return {
    /** One subscription. Throws an `ApiError`. */
    one,

    /** Deletes one, and answers as the settings say. Throws an `ApiError`. */
    async delete(request: Omit<Parameters<typeof one>[0], "verb">): Promise<MethodReply> {
      const batch = await one({ verb: "delete", ...request });
      const data = settings.deleteReplyData === "null" && { data: null };
      return { members: { ...data, ...(request.dryRun && { dry_run: true }) }, batch: batch.id };
    },

    async many(request: FlagRequest): Promise<FlagResult> {
      const batch = await submit(request);
      const textOfItem = (item: SubscriptionIdentity) => toKeyText(toKey(item, settings));
      const results = new Map<string, Fate>();
      if (batch.counts.done < batch.total) {
        for await (const result of host.batches.everyItem(batch.id)) {
          if (result.outcome !== "done" && result.code !== "invalid") {
            results.set(textOfItem(result.item as SubscriptionIdentity), result as Fate);
          }
        }
      }
      return {
        batch,
        findError(item) {
          const result = results.get(textOfItem(item));
          return result && toError(result);
        },
      };
    },
  };
}

export type FlagSetter = ReturnType<typeof createFlagSetter>;

interface Fate {
  outcome: Outcome["outcome"];
  code?: string;
  message?: string;
}
