import {
  type AnyOperation,
  defineOperation,
  type Host,
  type LedgerTransaction,
  type Opposite,
  type Role,
} from "@reinstate/batch-core";
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
  deletedSince,
  digestKey,
  type FlagVerb,
  findConsentViolation,
  toKey,
  toKeyText,
  toOutcome,
} from "../subscriptions/rules.ts";

/** A key with its text form. */
type Keyed = SubscriptionKey & { text: string };

export const operationNames = {
  undelete: "altcraft.subscriptions.undelete",
  delete: "altcraft.subscriptions.delete",
} as const satisfies Record<FlagVerb, string>;

/** The general command of each verb. */
export const roles = { undelete: "restore", delete: "archive" } as const satisfies Record<FlagVerb, Role>;

const isGuarded = (options: UndeleteOptions, settings: AltcraftSettings) =>
  settings.consentGuard === "always" || options.consent_guard === true;

/** Returns whether the consent guard checks this call; `override_consent` turns it off. */
export const isConsentGuardActive = (verb: FlagVerb, options: UndeleteOptions, settings: AltcraftSettings) =>
  verb === "undelete" && isGuarded(options, settings) && options.override_consent !== true;

/** Returns what is wrong with the reason of a guarded undelete; undefined if it is present or not needed. */
export function validateReason(options: UndeleteOptions, settings: AltcraftSettings): string | undefined {
  const needed = isGuarded(options, settings) || options.override_consent === true;
  return needed && options.reason === undefined ? "is required by the consent guard" : undefined;
}

/** Returns the schema of a verb's params: audit fields, and for undelete also the consent options and the reason they require. */
export const makeParamsSchema = (verb: FlagVerb, settings: AltcraftSettings): z.ZodType<UndeleteOptions> =>
  verb === "delete"
    ? auditParams
    : undeleteOptions.superRefine((options, context) => {
        const message = validateReason(options, settings);
        if (message !== undefined) context.addIssue({ code: "custom", path: ["reason"], message });
      });

/** Undelete and delete undo each other. The note of the undo is its reason, which the consent guard may require. */
export const makeOpposite = (verb: FlagVerb): Opposite<UndeleteOptions> => ({
  operation: operationNames[verb === "delete" ? "undelete" : "delete"],
  params: (_, { note }) => (note === undefined ? {} : { reason: note }),
});

/**
 * Creates the operations undelete and delete on our own records. One statement sets the flag of a whole chunk, in the chunk's
 * transaction. The consent guard adds one statement.
 */
export function createOperations(
  host: Host,
  store: SubscriptionStore,
  consent: ConsentStore,
  settings: AltcraftSettings,
): AnyOperation[] {
  /** Returns why the consent guard rejects keys, by key text. Locks the rows that it reads. */
  async function findConsentViolations(keys: readonly Keyed[], transaction: LedgerTransaction) {
    const states = await consent.readStatus(keys, transaction);
    const violations = new Map<string, { code: string; message: string }>();
    for (const [index, key] of keys.entries()) {
      const state = states[index];
      const violation = state && findConsentViolation(state);
      if (violation) violations.set(key.text, violation);
    }
    return violations;
  }

  const toKeyed = (item: SubscriptionIdentity): Keyed => {
    const key = toKey(item, settings) as Keyed;
    key.text = toKeyText(key);
    return key;
  };

  return (["undelete", "delete"] as const).map((verb) =>
    defineOperation({
      name: operationNames[verb],
      label: `subscriptions/${verb}`,
      role: roles[verb],
      item: subscriptionIdentity,
      params: makeParamsSchema(verb, settings),
      opposite: makeOpposite(verb),
      key: (item) => toKeyText(toKey(item, settings)),
      chunkSize: 500,
      groupCommit: true,
      async apply({ items, params, transaction }) {
        const keys = items.map(toKeyed);
        const at = host.clock.now();
        const since = verb === "undelete" ? deletedSince(settings.retentionDays, at) : undefined;
        const violations = isConsentGuardActive(verb, params, settings)
          ? await findConsentViolations(keys, transaction)
          : undefined;
        const allowed = violations?.size ? keys.filter(({ text }) => !violations.has(text)) : keys;
        const flagged =
          allowed.length === 0
            ? []
            : await store.flag(
                allowed,
                { is_delete: verb === "delete", at, ...(since !== undefined && { deletedSince: since }) },
                transaction,
              );
        const missing = allowed.filter((_, index) => flagged[index] === "missing").map(digestKey);
        const erased = await consent.erased(missing, transaction);
        const outcomes = allowed.map((key, index) =>
          toOutcome(verb, key.text, flagged[index] ?? "missing", erased.size > 0 && erased.has(digestKey(key))),
        );
        for (const [key, violation] of violations ?? []) outcomes.push({ key, outcome: "failed", ...violation });
        return outcomes;
      },
    }),
  );
}
