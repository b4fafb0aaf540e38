import type { Clock } from "@reinstate/batch-core";
import type { AltcraftSettings } from "../options.ts";
import type {
  AuditFields,
  ConsentReply,
  SubscriptionErase,
  SubscriptionListConsent,
  Suppression,
} from "../schemas/consent.ts";
import type { SubscriptionIdentity } from "../schemas/identity.ts";
import type { SubscriptionStore } from "../store/store.ts";
import { listAddresses, toKey } from "../subscriptions/rules.ts";
import type { ConsentAuditFields, ConsentEntry, ConsentStore } from "./consent-store.ts";
import { digestKey } from "./guard.ts";

/** Creates the work of the methods `erase`, `suppress`, `unsuppress` and `list_consent`. `actor`: the id of the token. */
export function createRecords(
  { clock }: { clock: Clock },
  subscriptions: SubscriptionStore,
  store: ConsentStore,
  settings: AltcraftSettings,
) {
  const makeAuditFields = ({ reason, requested_by }: AuditFields, actor: string): ConsentAuditFields => ({
    at: clock.now(),
    actor,
    reason: reason ?? null,
    requested_by: requested_by ?? null,
  });

  return {
    async erase({ reason, requested_by, dry_run, ...item }: SubscriptionErase, actor: string): Promise<boolean> {
      const key = toKey(item as SubscriptionIdentity, settings);
      const digest = digestKey(key);
      const existed = dry_run
        ? (await subscriptions.find(key)) !== undefined
        : await store.erase(key, digest, { ...makeAuditFields({ requested_by }, actor), reason });
      return existed || (await store.findErased([digest])).has(digest);
    },

    suppress: (contact: Suppression, actor: string): Promise<void> =>
      store.suppress(listAddresses(contact, settings), makeAuditFields(contact, actor)),

    unsuppress: (contact: Suppression, actor: string): Promise<void> =>
      store.unsuppress(listAddresses(contact, settings), makeAuditFields(contact, actor)),

    async listEntries({ email, phone, action, from_id, limit }: SubscriptionListConsent) {
      const [address] = listAddresses({ email, phone }, settings);
      const before = from_id ? Number(from_id) : undefined;
      const page = await store.listEntries({ action, address, before, limit });
      const last = page.length === limit ? page.at(-1) : undefined;
      return { data: page.map(presentEntry), ...(last && { next_from_id: String(last.id) }) };
    },
  };
}

/** Returns an entry of the log in its form in replies. */
function presentEntry(entry: ConsentEntry): ConsentReply["data"][number] {
  const { action, at, channel, subject, actor, reason, requested_by } = entry;
  const name = channel === null ? "digest" : channel === "email" ? "email" : "phone";
  return {
    action,
    at: new Date(at).toISOString(),
    [name]: subject,
    ...(actor !== null && { token_id: actor }),
    ...(reason !== null && { reason }),
    ...(requested_by !== null && { requested_by }),
  };
}
