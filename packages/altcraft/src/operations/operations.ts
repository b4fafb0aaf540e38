import {
  type AnyOperation,
  defineOperation,
  type Host,
  type LedgerTransaction,
  type Opposite,
  type Outcome,
  type Role,
} from "@reinstate/batch-core";
import type * as z from "zod";
import type { Consent } from "../consent/port.ts";
import type { AltcraftSettings } from "../options.ts";
import { auditParams, type UndeleteOptions, undeleteOptions } from "../schemas/consent.ts";
import { type SubscriptionIdentity, subscriptionIdentity } from "../schemas/identity.ts";
import type { SubscriptionKey, SubscriptionStore } from "../store/store.ts";
import {
  computeDeletedSince,
  type FlagVerb,
  type ItemFailure,
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

/** Returns the schema of a verb's params: audit fields, and for undelete also the consent options and the reason they require. */
export const makeParamsSchema = (verb: FlagVerb, consent: Consent): z.ZodType<UndeleteOptions> =>
  verb === "delete"
    ? auditParams
    : undeleteOptions.superRefine((options, context) => {
        const message = consent.validateReason(options);
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
  consent: Consent,
  settings: AltcraftSettings,
): AnyOperation[] {
  const toKeyed = (item: SubscriptionIdentity): Keyed => {
    const key = toKey(item, settings) as Keyed;
    key.text = toKeyText(key);
    return key;
  };

  async function setFlags(verb: FlagVerb, keys: readonly Keyed[], transaction: LedgerTransaction): Promise<Outcome[]> {
    if (keys.length === 0) return [];
    const at = host.clock.now();
    const deletedSince = verb === "undelete" ? computeDeletedSince(settings.retentionDays, at) : undefined;
    const change = { is_delete: verb === "delete", at, ...(deletedSince !== undefined && { deletedSince }) };
    const flagged = await store.flag(keys, change, transaction);
    const erased = await consent.findErased(
      keys.filter((_, index) => flagged[index] === "missing"),
      transaction,
    );
    return keys.map(({ text }, index) => {
      const failure = erased.get(text);
      return failure ? toFailed(text, failure) : toOutcome(verb, text, flagged[index] ?? "missing");
    });
  }

  return (["undelete", "delete"] as const).map((verb) =>
    defineOperation({
      name: operationNames[verb],
      label: `subscriptions/${verb}`,
      role: roles[verb],
      item: subscriptionIdentity,
      params: makeParamsSchema(verb, consent),
      opposite: makeOpposite(verb),
      key: (item) => toKeyText(toKey(item, settings)),
      chunkSize: 500,
      groupCommit: true,
      async apply({ items, params, transaction }) {
        const keys = items.map(toKeyed);
        const violations = await consent.findViolations(verb, keys, params, transaction);
        const allowed = violations.size === 0 ? keys : keys.filter(({ text }) => !violations.has(text));
        const outcomes = await setFlags(verb, allowed, transaction);
        for (const [key, violation] of violations) outcomes.push(toFailed(key, violation));
        return outcomes;
      },
    }),
  );
}

const toFailed = (key: string, failure: ItemFailure): Outcome => ({ key, outcome: "failed", ...failure });
