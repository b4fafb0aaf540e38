import type { Batch, Host, Outcome, Refused } from "@reinstate/batch-core";
import { Refusal, type RefusalKind } from "./errors.ts";
import type { MethodReply } from "./methods.ts";
import { operationNames } from "./operations.ts";
import type { AltcraftSettings } from "./options.ts";
import { type FlagVerb, keyOf, textOf } from "./rules.ts";
import type { Asking, SubscriptionIdentity } from "./schemas.ts";

/** What a call wants done beside its verb. */
export interface FlagRequest {
  verb: FlagVerb;
  items: readonly SubscriptionIdentity[];
  refused?: readonly Refused[];
  /** The id of the token. */
  actor: string;
  asking?: Asking;
  dryRun?: boolean;
}

/** A finished batch, and what became of each item, by the text of its key. */
export interface FlagResult {
  batch: Batch;
  refusalOf(item: SubscriptionIdentity): Refusal | undefined;
}

/** How an outcome is told in the vendor's words. */
const refusalKinds: Record<string, RefusalKind> = {
  not_found: "not_found",
  erased: "erased",
  suppressed: "no_consent",
  no_consent: "no_consent",
};

/** Sets the flag of a call's subscriptions as one batch of the core, which is finished when it is answered. */
export function createFlagging(host: Host, settings: AltcraftSettings) {
  /** The refusal of one outcome; undefined where all is well. */
  function refusalOf({ outcome, code, message = "" }: Fate, batch?: number): Refusal | undefined {
    if (outcome === "done") return undefined;
    if (outcome === "skipped") {
      return settings.unchanged === "success" ? undefined : new Refusal("bad_request", message, batch);
    }
    return new Refusal(refusalKinds[code ?? ""] ?? "internal", message, batch);
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
    const refusal = refusalOf(found as Fate, batch.id);
    if (refusal) throw refusal;
    return batch;
  }

  return {
    /** One subscription. Throws a `Refusal`. */
    one,

    /** Deletes one, and answers as the settings say. Throws a `Refusal`. */
    async delete(request: Omit<Parameters<typeof one>[0], "verb">): Promise<MethodReply> {
      const batch = await one({ verb: "delete", ...request });
      const data = settings.deleteReplyData === "null" && { data: null };
      return { members: { ...data, ...(request.dryRun && { dry_run: true }) }, batch: batch.id };
    },

    async many(request: FlagRequest): Promise<FlagResult> {
      const batch = await submit(request);
      const textOfItem = (item: SubscriptionIdentity) => textOf(keyOf(item, settings));
      const fates = new Map<string, Fate>();
      if (batch.counts.done < batch.total) {
        for await (const fate of host.batches.everyItem(batch.id)) {
          if (fate.outcome !== "done" && fate.code !== "invalid") {
            fates.set(textOfItem(fate.item as SubscriptionIdentity), fate as Fate);
          }
        }
      }
      return {
        batch,
        refusalOf(item) {
          const fate = fates.get(textOfItem(item));
          return fate && refusalOf(fate);
        },
      };
    },
  };
}

export type Flagging = ReturnType<typeof createFlagging>;

interface Fate {
  outcome: Outcome["outcome"];
  code?: string;
  message?: string;
}
