import { createHash } from "node:crypto";
import type { Outcome } from "@reinstate/batch-core";
import type { AltcraftSettings } from "../options.ts";
import { phoneChannels } from "../schemas/channels.ts";
import type { Suppression } from "../schemas/consent.ts";
import { type FieldAction, fieldActions, isNumeric, readFieldCall } from "../schemas/field-functions.ts";
import { isCustom, type SubscriptionIdentity } from "../schemas/identity.ts";
import { type ProfileMatch, type Status, type SubscriptionChanges, statuses } from "../schemas/requests.ts";
import type { Address, AddressFields, Flagged, StoredSubscription, SubscriptionKey } from "../store/store.ts";
import { xxh32 } from "./xxhash.ts";

/** Settings that decide how addresses are compared. */
export type Comparison = Pick<AltcraftSettings, "emailComparison" | "phoneComparison" | "hashIdInput">;

/** Longest address stored in the key itself, in bytes. A longer one is stored as its digest, because indexes limit the length. */
const maxAddressBytes = 200;

// Performance: a UTF-16 code unit takes at most three bytes, so short texts need no byte count.
const isShort = (address: string) =>
  address.length * 3 <= maxAddressBytes || Buffer.byteLength(address) <= maxAddressBytes;

/** Returns the key of a subscription: its identity with the normalized address. */
export function toKey(identity: SubscriptionIdentity, comparison: Comparison): SubscriptionKey {
  const { db_id, profile_id, resource_id, channel } = identity;
  const address = normalizeAddress(identity, comparison);
  return {
    db_id,
    profile_id,
    resource_id,
    channel,
    address: isShort(address) ? address : `sha256:${createHash("sha256").update(address).digest("hex")}`,
  };
}

function normalizeAddress(identity: SubscriptionIdentity, { emailComparison, phoneComparison }: Comparison): string {
  if (isCustom(identity)) return toCanonicalJson(identity.cc_data);
  const normalizePhone = (phone: string) => (phoneComparison === "exact" ? phone : phone.replace(/[\s()-]/g, ""));
  switch (identity.channel) {
    case "email":
      return emailComparison === "exact" ? identity.email : identity.email.trim().toLowerCase();
    case "sms":
      return normalizePhone(identity.phone);
    case "push":
      return JSON.stringify([identity.provider, identity.subscription_id]);
    case "telegram_bot":
      return String(identity.cc_data.id);
    case "whatsapp":
    case "viber":
    case "notify":
      return normalizePhone(identity.cc_data.phone);
  }
}

/** Returns JSON with sorted members and leaves as text. XML carries no types, so 1 and "1" are the same address. */
function toCanonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toCanonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value === null ? "" : String(value));
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${toCanonicalJson(member)}`).join(",")}}`;
}

/** Returns the text of a key. Items of a batch with equal texts are duplicates. */
export function toKeyText({ db_id, profile_id, resource_id, channel, address }: SubscriptionKey): string {
  return `${db_id} ${resource_id} ${profile_id} ${channel} ${address}`;
}

/** Returns the fields that hold the address, as the caller sent them. */
function pickAddressFields(identity: SubscriptionIdentity): AddressFields {
  if ("email" in identity) return { email: identity.email };
  if ("phone" in identity) return { phone: identity.phone };
  if ("provider" in identity) return { provider: identity.provider, subscription_id: identity.subscription_id };
  return { cc_data: identity.cc_data };
}

/** Returns the identity of a stored subscription, as requests name it. */
export const toIdentity = ({ db_id, resource_id, profile_id, channel, fields }: StoredSubscription) =>
  ({ db_id, resource_id, profile_id, channel, ...fields }) as SubscriptionIdentity;

// Normalization does not depend on the place, so any place serves.
const anyPlace = { db_id: 1, resource_id: 1, profile_id: "-" };

/** Returns an e-mail address and a phone once for every channel that uses such an address. */
export function listAddresses(
  { email, phone }: Pick<Suppression, "email" | "phone">,
  comparison: Comparison,
): Address[] {
  const addresses: Address[] = [];
  if (email !== undefined) {
    const { address } = toKey({ ...anyPlace, channel: "email", email }, comparison);
    addresses.push({ channel: "email", address });
  }
  if (phone !== undefined) {
    const { address } = toKey({ ...anyPlace, channel: "sms", phone }, comparison);
    addresses.push(...phoneChannels.map((channel) => ({ channel, address })));
  }
  return addresses;
}

/** Returns the addresses that find a profile; undefined if the profile is named by its id. */
export function addressesToMatch(match: ProfileMatch, comparison: Comparison): Address[] | undefined {
  switch (match.matching) {
    case "profile_id":
      return undefined;
    case "push_sub": {
      const { provider, subscription_id } = match;
      return [toKey({ ...anyPlace, channel: "push", provider, subscription_id }, comparison)];
    }
    case "custom_sub": {
      const { channel, cc_data } = match;
      return [toKey({ ...anyPlace, channel, cc_data } as SubscriptionIdentity, comparison)];
    }
    default: {
      const { email, phone } = match as { email?: string; phone?: string };
      return listAddresses({ email, phone }, comparison);
    }
  }
}

/** Returns the XXH32 of the address text alone, without profile and resource, as 8 hexadecimal digits. */
export function computeHashId(identity: SubscriptionIdentity, comparison: Comparison): string {
  const exact = { ...comparison, emailComparison: "exact", phoneComparison: "exact" } as const;
  const text =
    "provider" in identity
      ? identity.subscription_id
      : normalizeAddress(identity, comparison.hashIdInput === "given" ? exact : comparison);
  return xxh32(text).toString(16).padStart(8, "0");
}

/** Verbs that set the flag `is_delete`. */
export type FlagVerb = "undelete" | "delete";

const unchangedCodes: Record<FlagVerb, ItemFailure> = {
  undelete: { code: "not_deleted", message: "Subscription is not deleted" },
  delete: { code: "already_deleted", message: "Subscription is deleted already" },
};

/** Why an item failed. */
export interface ItemFailure {
  code: string;
  message: string;
}

export const missing: ItemFailure = { code: "not_found", message: "Subscription not found" };
export const hidden: ItemFailure = {
  code: "hidden",
  message: "The profile does not show the address of this subscription",
};

/** Returns the outcome of one item: `skipped` if the flag was already set, `failed` if the subscription is missing. */
export function toOutcome(verb: FlagVerb, key: string, flagged: Flagged): Outcome {
  switch (flagged) {
    case "changed":
      return { key, outcome: "done" };
    case "unchanged":
      return { key, outcome: "skipped", ...unchangedCodes[verb] };
    case "missing":
      return { key, outcome: "failed", ...missing };
  }
}

const dayMs = 24 * 60 * 60 * 1000;

/** Returns the time of the earliest delete that can be undone, in milliseconds; undefined if all can. */
export function computeDeletedSince(retentionDays: AltcraftSettings["retentionDays"], now: number): number | undefined {
  return retentionDays === "forever" ? undefined : now - retentionDays * dayMs;
}

/** Returns the word of a status that may be a word or a number. */
export const statusWord = (status: Status | number): Status =>
  (typeof status === "number" ? statuses[status] : status) as Status;

/** Returns the subscription that `set` adds. Its status is `subscribed` unless `changes` holds another one. */
export function newSubscription(
  identity: SubscriptionIdentity,
  changes: SubscriptionChanges,
  now: number,
  comparison: Comparison,
): StoredSubscription {
  const blank: StoredSubscription = {
    ...toKey(identity, comparison),
    fields: pickAddressFields(identity),
    hash_id: computeHashId(identity, comparison),
    status: "subscribed",
    priority: null,
    custom_fields: {},
    cats: [],
    date: null,
    ip: null,
    url: null,
    is_delete: false,
    deleted_at: null,
    created_at: now,
    updated_at: now,
  };
  return applyChanges(blank, changes, now, "yes");
}

/** Returns the subscription after `set`. Absent changes keep their value; `revive` restores a deleted subscription. */
export function applyChanges(
  stored: StoredSubscription,
  changes: SubscriptionChanges,
  now: number,
  revive: AltcraftSettings["setRevives"],
): StoredSubscription {
  return {
    ...stored,
    status: changes.status === undefined ? stored.status : statusWord(changes.status),
    priority: changes.priority ?? stored.priority,
    custom_fields: changeFields(stored.custom_fields, changes.custom_fields ?? {}),
    cats: changes.cats ?? stored.cats,
    date: changes.date ?? stored.date,
    ip: changes.ip ?? stored.ip,
    url: changes.url ?? stored.url,
    updated_at: now,
    ...(revive === "yes" && { is_delete: false, deleted_at: null }),
  };
}

type FieldFunction = (stored: unknown, value: unknown) => unknown;

const toList = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

/** The field functions by action. A result of undefined removes the field. */
const fieldFunctions: Record<FieldAction, FieldFunction> = {
  set: (_, value) => value,
  unset: () => undefined,
  incr: (stored, value) => Number(stored ?? 0) + Number(value ?? 1),
  add: (stored, value) => [...toList(stored), ...toList(value)],
  delete: (stored, value) => toList(stored).filter((item) => !toList(value).includes(item)),
  upsert: (stored, value) => [...new Set([...toList(stored), ...toList(value)])],
};

/** Returns the new value of a field after a function or a plain value; undefined if the field is removed. */
function computeField(stored: Record<string, unknown>, name: string, change: unknown): unknown {
  const call = readFieldCall(change);
  const action = fieldActions.find((known) => known === call?.action);
  if (!call || !action) return change ?? undefined;
  return fieldFunctions[action](storedValue(stored, name), call.value);
}

// Own properties only: a field may be named `constructor`.
const storedValue = (stored: Record<string, unknown>, name: string) =>
  Object.hasOwn(stored, name) ? (stored[name] ?? undefined) : undefined;

function changeFields(stored: Record<string, unknown>, changes: Record<string, unknown>): Record<string, unknown> {
  const fields = { ...stored };
  for (const [name, value] of Object.entries(changes)) {
    const after = computeField(stored, name, value);
    if (after === undefined) delete fields[name];
    else fields[name] = after;
  }
  return fields;
}

/** Returns the name of a field whose `incr` fails because it holds no number or overflows; undefined if there is none. */
export function findInvalidIncrement(
  stored: Record<string, unknown>,
  changes: Record<string, unknown> = {},
): string | undefined {
  return Object.keys(changes).find((name) => {
    if (readFieldCall(changes[name])?.action !== "incr") return false;
    const value = storedValue(stored, name);
    return (value !== undefined && !isNumeric(value)) || !Number.isFinite(computeField(stored, name, changes[name]));
  });
}

/** Returns the categories that the resource does not have. `allowed` null accepts any. */
export function findUnknownCats(allowed: string[] | null, cats: string[] | undefined): string[] {
  return allowed === null ? [] : (cats ?? []).filter((cat) => !allowed.includes(cat));
}
