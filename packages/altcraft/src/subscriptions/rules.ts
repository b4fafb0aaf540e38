import { createHash } from "node:crypto";
import type { Outcome } from "@reinstate/batch-core";
import type { AltcraftSettings } from "../options.ts";
import { type FieldAction, fieldActions, isNumeric, readFieldCall } from "../schemas/requests.ts";
import {
  isCustom,
  type ProfileMatch,
  type Status,
  type SubscriptionChanges,
  type SubscriptionIdentity,
  type Suppression,
  statuses,
} from "../schemas.ts";
import type {
  Address,
  AddressFields,
  ConsentStatus,
  Flagged,
  StoredSubscription,
  SubscriptionKey,
} from "../store/store.ts";
import { xxh32 } from "./xxhash.ts";

/** How addresses are compared. */
export type Comparison = Pick<AltcraftSettings, "emailComparison" | "phoneComparison" | "hashIdInput">;

/** Addresses up to so many bytes stand in the key as they are; longer ones as their digest, so that every index can hold them. */
const longestAddress = 200;

// A character of a text is three bytes at most.
const isShort = (address: string) =>
  address.length * 3 <= longestAddress || Buffer.byteLength(address) <= longestAddress;

/** The key of a subscription: its identity, with the address in the form in which it is compared. */
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
  if (isCustom(identity)) return canonical(identity.cc_data);
  const phone = (given: string) => (phoneComparison === "exact" ? given : given.replace(/[\s()-]/g, ""));
  switch (identity.channel) {
    case "email":
      return emailComparison === "exact" ? identity.email : identity.email.trim().toLowerCase();
    case "sms":
      return phone(identity.phone);
    case "push":
      return JSON.stringify([identity.provider, identity.subscription_id]);
    case "telegram_bot":
      return String(identity.cc_data.id);
    case "whatsapp":
    case "viber":
    case "notify":
      return phone(identity.cc_data.phone);
  }
}

/** JSON with its members in order and its leaves as text: XML carries no types, so 1 and "1" are one address. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value === null ? "" : String(value));
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/** One text per key: two items with one text are one item of a batch. */
export function toKeyText({ db_id, profile_id, resource_id, channel, address }: SubscriptionKey): string {
  return `${db_id} ${resource_id} ${profile_id} ${channel} ${address}`;
}

/** The fields that carry the address, as they were given. */
function pickAddressFields(identity: SubscriptionIdentity): AddressFields {
  if ("email" in identity) return { email: identity.email };
  if ("phone" in identity) return { phone: identity.phone };
  if ("provider" in identity) return { provider: identity.provider, subscription_id: identity.subscription_id };
  return { cc_data: identity.cc_data };
}

/** The subscription as calls name it. */
export const toIdentity = ({ db_id, resource_id, profile_id, channel, fields }: StoredSubscription) =>
  ({ db_id, resource_id, profile_id, channel, ...fields }) as SubscriptionIdentity;

/** What is left of an erased subscription: it cannot be read back, but recognised. */
export const digestKey = (key: SubscriptionKey): string => createHash("sha256").update(toKeyText(key)).digest("hex");

const phoneChannels = ["sms", "whatsapp", "viber", "notify"] as const;

// An address is compared alike wherever it stands.
const somewhere = { db_id: 1, resource_id: 1, profile_id: "-" };

/** An e-mail address and a phone on every channel that has such a one. */
export function listAddresses({ email, phone }: Suppression, comparison: Comparison): Address[] {
  const addresses: Address[] = [];
  if (email !== undefined) {
    const { address } = toKey({ ...somewhere, channel: "email", email }, comparison);
    addresses.push({ channel: "email", address });
  }
  if (phone !== undefined) {
    const { address } = toKey({ ...somewhere, channel: "sms", phone }, comparison);
    addresses.push(...phoneChannels.map((channel) => ({ channel, address })));
  }
  return addresses;
}

/** The addresses by one of which a profile is to be found; undefined where it is named by its id. */
export function addressesToMatch(match: ProfileMatch, comparison: Comparison): Address[] | undefined {
  switch (match.matching) {
    case "profile_id":
      return undefined;
    case "push_sub": {
      const { provider, subscription_id } = match;
      return [toKey({ ...somewhere, channel: "push", provider, subscription_id }, comparison)];
    }
    case "custom_sub": {
      const { channel, cc_data } = match;
      return [toKey({ ...somewhere, channel, cc_data } as SubscriptionIdentity, comparison)];
    }
    default: {
      const { email, phone } = match as { email?: string; phone?: string };
      return listAddresses({ email, phone }, comparison);
    }
  }
}

/** XXH32 of the address text, and of nothing of the profile or the resource: 8 hexadecimal digits. */
export function computeHashId(identity: SubscriptionIdentity, comparison: Comparison): string {
  const exact = { ...comparison, emailComparison: "exact", phoneComparison: "exact" } as const;
  const text =
    "provider" in identity
      ? identity.subscription_id
      : normalizeAddress(identity, comparison.hashIdInput === "given" ? exact : comparison);
  return xxh32(text).toString(16).padStart(8, "0");
}

/** The verbs that set the flag. */
export type FlagVerb = "undelete" | "delete";

const unchangedCodes: Record<FlagVerb, { code: string; message: string }> = {
  undelete: { code: "not_deleted", message: "Subscription is not deleted" },
  delete: { code: "already_deleted", message: "Subscription is deleted already" },
};

export const missing = { code: "not_found", message: "Subscription not found" };
export const erased = { code: "erased", message: "Subscription was erased" };

/**
 * What became of one item: a flag that stands already is no failure, a subscription that is not there is one, told apart
 * from one that was erased.
 */
export function toOutcome(verb: FlagVerb, key: string, flagged: Flagged, wasErased = false): Outcome {
  switch (flagged) {
    case "changed":
      return { key, outcome: "done" };
    case "unchanged":
      return { key, outcome: "skipped", ...unchangedCodes[verb] };
    case "missing":
      return { key, outcome: "failed", ...(wasErased ? erased : missing) };
  }
}

const withoutConsent: readonly Status[] = ["unsubscribed", "complained", "hardbounced"];

/** Why the consent guard keeps a subscription from coming back; undefined where it does not. */
export function consentRefusal({ status, suppressed }: ConsentStatus): { code: string; message: string } | undefined {
  if (suppressed) return { code: "suppressed", message: "The address is on the suppression list" };
  if (!withoutConsent.includes(status)) return undefined;
  return { code: "no_consent", message: `The subscription is ${status}` };
}

const dayMs = 24 * 60 * 60 * 1000;

/** The earliest delete that can still be undone; undefined: all can. */
export function deletedSince(retentionDays: AltcraftSettings["retentionDays"], now: number): number | undefined {
  return retentionDays === "forever" ? undefined : now - retentionDays * dayMs;
}

/** The word of a status given as word or number. */
export const statusWord = (given: Status | number): Status =>
  (typeof given === "number" ? statuses[given] : given) as Status;

/** A subscription that `set` adds: subscribed, unless it says otherwise. */
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

/** A subscription as `set` leaves it: what is not given stays; a deleted one comes back where `revive` says so. */
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
    custom_fields: withFields(stored.custom_fields, changes.custom_fields ?? {}),
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

/** What the functions do; undefined as the answer removes the field. */
const fieldFunctions: Record<FieldAction, FieldFunction> = {
  set: (_, value) => value,
  unset: () => undefined,
  incr: (stored, value) => Number(stored ?? 0) + Number(value ?? 1),
  add: (stored, value) => [...toList(stored), ...toList(value)],
  delete: (stored, value) => toList(stored).filter((item) => !toList(value).includes(item)),
  upsert: (stored, value) => [...new Set([...toList(stored), ...toList(value)])],
};

/** The value of a field as the function or the plain value leaves it that was given; undefined where it goes. */
function fieldAfter(stored: Record<string, unknown>, name: string, given: unknown): unknown {
  const call = readFieldCall(given);
  const action = fieldActions.find((known) => known === call?.action);
  if (!call || !action) return given ?? undefined;
  return fieldFunctions[action](heldIn(stored, name), call.value);
}

// A name such as `constructor` is a name like any other, and no object's own from the start.
const heldIn = (stored: Record<string, unknown>, name: string) =>
  Object.hasOwn(stored, name) ? (stored[name] ?? undefined) : undefined;

function withFields(stored: Record<string, unknown>, given: Record<string, unknown>): Record<string, unknown> {
  const fields = { ...stored };
  for (const [name, value] of Object.entries(given)) {
    const after = fieldAfter(stored, name, value);
    if (after === undefined) delete fields[name];
    else fields[name] = after;
  }
  return fields;
}

/** A field that is to be counted up though it holds no number, or beyond all numbers; undefined where there is none. */
export function findInvalidIncrement(
  stored: Record<string, unknown>,
  given: Record<string, unknown> = {},
): string | undefined {
  return Object.keys(given).find((name) => {
    if (readFieldCall(given[name])?.action !== "incr") return false;
    const held = heldIn(stored, name);
    return (held !== undefined && !isNumeric(held)) || !Number.isFinite(fieldAfter(stored, name, given[name]));
  });
}

/** Categories that the resource does not have. */
export function unknownCats(allowed: string[] | null, given: string[] | undefined): string[] {
  return allowed === null ? [] : (given ?? []).filter((cat) => !allowed.includes(cat));
}
