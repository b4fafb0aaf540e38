import { createHash } from "node:crypto";
import type { LedgerTransaction } from "@reinstate/batch-core";
import type { AltcraftSettings } from "../options.ts";
import type { UndeleteOptions } from "../schemas/consent.ts";
import type { Status } from "../schemas/requests.ts";
import type { SubscriptionKey } from "../store/store.ts";
import { type FlagVerb, type ItemFailure, toKeyText } from "../subscriptions/rules.ts";
import type { ConsentState, ConsentStore } from "./consent-store.ts";

const withoutConsent: readonly Status[] = ["unsubscribed", "complained", "hardbounced"];

export const erased: ItemFailure = { code: "erased", message: "Subscription was erased" };

/** Returns why the consent guard rejects an undelete; undefined if it allows it. */
export function findViolation({ status, suppressed }: ConsentState): ItemFailure | undefined {
  if (suppressed) return { code: "suppressed", message: "The address is on the suppression list" };
  if (!withoutConsent.includes(status)) return undefined;
  return { code: "no_consent", message: `The subscription is ${status}` };
}

/** Returns the SHA-256 of a key, by which an erased subscription is recognized. */
export const digestKey = (key: SubscriptionKey): string => createHash("sha256").update(toKeyText(key)).digest("hex");

/** Creates the checks of an undelete of our own records. */
export function createGuard(store: ConsentStore, settings: AltcraftSettings) {
  const isRequested = ({ consent_guard }: UndeleteOptions) =>
    settings.consentGuard === "always" || consent_guard === true;

  /** Returns whether the guard checks a call; `override_consent` turns it off. */
  const isActive = (verb: FlagVerb, options: UndeleteOptions) =>
    verb === "undelete" && isRequested(options) && options.override_consent !== true;

  return {
    isActive,

    validateReason(options: UndeleteOptions): string | undefined {
      const needed = isRequested(options) || options.override_consent === true;
      return needed && options.reason === undefined ? "is required by the consent guard" : undefined;
    },

    async findViolations(
      verb: FlagVerb,
      keys: readonly SubscriptionKey[],
      options: UndeleteOptions,
      transaction: LedgerTransaction,
    ): Promise<Map<string, ItemFailure>> {
      const violations = new Map<string, ItemFailure>();
      if (!isActive(verb, options)) return violations;
      const states = await store.readStates(keys, transaction);
      for (const [index, key] of keys.entries()) {
        const state = states[index];
        const violation = state && findViolation(state);
        if (violation) violations.set(toKeyText(key), violation);
      }
      return violations;
    },

    async findErased(
      keys: readonly SubscriptionKey[],
      transaction?: LedgerTransaction,
    ): Promise<Map<string, ItemFailure>> {
      const digests = keys.map(digestKey);
      const found = await store.findErased(digests, transaction);
      return new Map(
        keys.flatMap((key, index) => (found.has(digests[index] as string) ? [[toKeyText(key), erased]] : [])),
      );
    },
  };
}
