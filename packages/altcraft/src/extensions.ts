import type { Key } from "@reinstate/batch-core";
import { afterOfCursor, cursorAfter } from "./cursor.ts";
import { errorOf, Refusal } from "./errors.ts";
import { createMatching } from "./matching.ts";
import type { extensionMethods } from "./method-table.ts";
import type { Handlers, MethodParts, MethodReply } from "./methods.ts";
import { missingReason } from "./operations.ts";
import { addressesOf, digestOf, identityOf, keyOf, missing } from "./rules.ts";
import {
  type Asking,
  batchLimit,
  describeIssue,
  type SubscriptionIdentity,
  subscriptionIdentity,
  type UndeleteAsking,
} from "./schemas.ts";
import { shownDeleted } from "./shown.ts";
import type { DeletedQuery } from "./store.ts";
import { success } from "./success.ts";

/** The methods beyond the vendor's. */
export function createExtensions({
  host,
  store,
  consent,
  flagging,
  settings,
}: MethodParts): Handlers<typeof extensionMethods> {
  const matching = createMatching(store, settings);

  function askingOf({ consent_guard, override_consent, reason, requested_by, dry_run }: UndeleteAsking) {
    const asking: Asking = Object.fromEntries(
      Object.entries({ consent_guard, override_consent, reason, requested_by }).filter(
        ([, value]) => value !== undefined,
      ),
    );
    const message = missingReason(asking, settings);
    if (message !== undefined) throw new Refusal("bad_request", `field "reason": ${message}`);
    return { asking, dryRun: dry_run === true };
  }

  /** What is given is a place in a list: valid, or refused with what is wrong with it. */
  type Place = { item: SubscriptionIdentity } | { given: unknown; refusal: Refusal };

  /** Brings many back, and answers with a result for each, in their order. */
  async function undeleteMany(places: readonly Place[], asked: UndeleteAsking, token: Key): Promise<MethodReply> {
    const { asking, dryRun } = askingOf(asked);
    const { batch, refusalOf } = await flagging.many({
      verb: "undelete",
      items: places.flatMap((place) => ("item" in place ? [place.item] : [])),
      refused: places.flatMap((place) =>
        "item" in place ? [] : [{ item: place.given, code: "invalid", message: place.refusal.detail }],
      ),
      actor: token.id,
      asking,
      dryRun,
    });
    const result = places.map((place) => {
      const refusal = "item" in place ? refusalOf(place.item) : place.refusal;
      const profile = "item" in place ? { profile_id: place.item.profile_id } : {};
      return { ...(refusal ? errorOf(refusal, settings) : success), ...profile };
    });
    return {
      members: { ...(dryRun && { dry_run: true }), result, updated: batch.counts.done },
      batch: batch.id,
    };
  }

  /** All deleted subscriptions of a query that can be brought back in one call. */
  async function selected(query: Omit<DeletedQuery, "limit">): Promise<Place[]> {
    const stored = await store.deleted({ ...query, limit: batchLimit + 1 });
    if (stored.length === 0) throw new Refusal("not_found", missing.message);
    if (stored.length > batchLimit) {
      throw new Refusal("bad_request", `more than ${batchLimit} deleted subscriptions: name a resource or a channel`);
    }
    return stored.map((one) => ({ item: identityOf(one) }));
  }

  return {
    async "subscriptions/undelete"(given, token) {
      if ("hash_id" in given) {
        const { db_id, hash_id, profile_id, resource_id, channel } = given;
        return undeleteMany(await selected({ db_id, hash_id, profile_id, resource_id, channel }), given, token);
      }
      if ("matching" in given) {
        const { db_id, resource_id, channel } = given;
        const [profile_id, another] = await matching.profiles(given, 2);
        if (profile_id === undefined) throw await matching.unknownProfile(db_id);
        if (another !== undefined) throw new Refusal("bad_request", "more than one profile matches");
        return undeleteMany(await selected({ db_id, profile_id, resource_id, channel }), given, token);
      }
      const { asking, dryRun } = askingOf(given);
      const item = subscriptionIdentity.parse(given);
      const batch = await flagging.one({ verb: "undelete", item, actor: token.id, asking, dryRun });
      return { members: { data: null, ...(dryRun && { dry_run: true }) }, batch: batch.id };
    },

    async "subscriptions/delete"({ reason, requested_by, ...item }, token) {
      const asking = { ...(reason !== undefined && { reason }), ...(requested_by !== undefined && { requested_by }) };
      return flagging.delete({ item: item as SubscriptionIdentity, actor: token.id, asking });
    },

    async "subscriptions/undelete_batch"({ data, ...asked }, token) {
      return undeleteMany(data.map(placeOf), asked, token);
    },

    async "subscriptions/list_deleted"({ from_id, limit, ...query }) {
      const after = from_id === undefined ? undefined : afterOfCursor(from_id);
      if (from_id !== undefined && !after) {
        throw new Refusal("bad_request", 'field "from_id": is not one that a page gave out');
      }
      if (!(await store.hasDatabase(query.db_id))) throw new Refusal("not_found", "Database not found");
      const page = await store.deleted({ ...query, after, limit });
      const last = page.length === limit ? page.at(-1) : undefined;
      return { members: { data: page.map(shownDeleted), ...(last && { next_from_id: cursorAfter(last) }) } };
    },

    async "subscriptions/erase"({ reason, ...given }, token) {
      const key = keyOf(given, settings);
      const digest = digestOf(key);
      const found = await consent.erase(key, digest, { at: host.clock.now(), actor: token.id, reason });
      // Erased already: what was asked for is so.
      if (!found && !(await consent.erased([digest])).has(digest)) throw new Refusal("not_found", missing.message);
      return { members: { data: null } };
    },

    async "subscriptions/suppress"(given) {
      await consent.suppress(addressesOf(given, settings), host.clock.now());
      return { members: { data: null } };
    },

    async "subscriptions/unsuppress"(given) {
      await consent.unsuppress(addressesOf(given, settings));
      return { members: { data: null } };
    },
  };

  function placeOf(given: unknown): Place {
    // Null is as if left out, here as everywhere.
    const members =
      typeof given === "object" && given !== null
        ? Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
        : given;
    const parsed = subscriptionIdentity.safeParse(members, { reportInput: true });
    if (parsed.success) return { item: parsed.data };
    return { given, refusal: new Refusal("bad_request", describeIssue(parsed.error.issues[0])) };
  }
}
