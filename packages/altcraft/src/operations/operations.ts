import { type AnyOperation, defineOperation, type Host, type LedgerTransaction } from "@reinstate/batch-core";
import type * as z from "zod";
import type { AltcraftSettings } from "../options.ts";
import {
  auditParams,
  type SubscriptionIdentity,
  subscriptionIdentity,
  type UndeleteOptions,
  undeleteOptions,
} from "../schemas.ts";
import type { ConsentStore, SubscriptionKey, SubscriptionStore } from "../store/store.ts";
import {
  consentRefusal,
  deletedSince,
  digestKey,
  type FlagVerb,
  toKey,
  toKeyText,
  toOutcome,
} from "../subscriptions/rules.ts";

/** A key with its text. */
type Keyed = SubscriptionKey & { text: string };

export const operationNames = {
  undelete: "altcraft.subscriptions.undelete",
  delete: "altcraft.subscriptions.delete",
} as const satisfies Record<FlagVerb, string>;

const isGuarded = (asking: UndeleteOptions, settings: AltcraftSettings) =>
  settings.consentGuard === "always" || asking.consent_guard === true;

/** May the consent guard refuse anything? Somebody may have overruled it. */
export const mayRefuse = (verb: FlagVerb, asking: UndeleteOptions, settings: AltcraftSettings) =>
  verb === "undelete" && isGuarded(asking, settings) && asking.override_consent !== true;

/** What is missing in a request that the guard is to look at; undefined where nothing is. */
export function missingReason(asking: UndeleteOptions, settings: AltcraftSettings): string | undefined {
  const needed = isGuarded(asking, settings) || asking.override_consent === true;
  return needed && asking.reason === undefined ? "is required by the consent guard" : undefined;
}

/** The params of a verb: who asks, and why; undelete may be asked more, and wants a reason where the guard does. */
export const makeParamsSchema = (verb: FlagVerb, settings: AltcraftSettings): z.ZodType<UndeleteOptions> =>
  verb === "delete"
    ? auditParams
    : undeleteOptions.superRefine((asking, context) => {
        const message = missingReason(asking, settings);
        if (message !== undefined) context.addIssue({ code: "custom", path: ["reason"], message });
      });

/**
 * Undelete and delete as operations: one statement sets the flag of a whole chunk, in the chunk's own transaction. Where the
 * guard is on, one more looks at what stands in its way.
 */
export function createOperations(
  host: Host,
  store: SubscriptionStore,
  consent: ConsentStore,
  settings: AltcraftSettings,
): AnyOperation[] {
  /** By the text of the key, why the guard refuses. */
  async function refusals(keys: readonly Keyed[], transaction: LedgerTransaction) {
    const standing = await consent.standing(keys, transaction);
    const refused = new Map<string, { code: string; message: string }>();
    for (const [index, key] of keys.entries()) {
      const found = standing[index];
      const refusal = found && consentRefusal(found);
      if (refusal) refused.set(key.text, refusal);
    }
    return refused;
  }

  const keyed = (item: SubscriptionIdentity): Keyed => {
    const key = toKey(item, settings) as Keyed;
    key.text = toKeyText(key);
    return key;
  };

  return (["undelete", "delete"] as const).map((verb) =>
    defineOperation({
      name: operationNames[verb],
      label: `subscriptions/${verb}`,
      item: subscriptionIdentity,
      params: makeParamsSchema(verb, settings),
      key: (item) => toKeyText(toKey(item, settings)),
      chunkSize: 500,
      groupCommit: true,
      async apply({ items, params, transaction }) {
        const keys = items.map(keyed);
        const at = host.clock.now();
        const since = verb === "undelete" ? deletedSince(settings.retentionDays, at) : undefined;
        const refused = mayRefuse(verb, params, settings) ? await refusals(keys, transaction) : undefined;
        const free = refused?.size ? keys.filter(({ text }) => !refused.has(text)) : keys;
        const flagged =
          free.length === 0
            ? []
            : await store.flag(
                free,
                { is_delete: verb === "delete", at, ...(since !== undefined && { deletedSince: since }) },
                transaction,
              );
        const missing = free.filter((_, index) => flagged[index] === "missing").map(digestKey);
        const erased = await consent.erased(missing, transaction);
        const outcomes = free.map((key, index) =>
          toOutcome(verb, key.text, flagged[index] ?? "missing", erased.size > 0 && erased.has(digestKey(key))),
        );
        for (const [key, why] of refused ?? []) outcomes.push({ key, outcome: "failed", ...why });
        return outcomes;
      },
    }),
  );
}
