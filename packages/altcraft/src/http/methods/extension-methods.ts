import type { Key } from "@reinstate/batch-core";
import { type ApiError, findFlagsInValue } from "@reinstate/batch-core/http";
import { missingReason } from "../../operations/operations.ts";
import {
  type AuditFields,
  batchLimit,
  deletedSubscription,
  describeIssue,
  type SubscriptionIdentity,
  subscriptionIdentity,
  type UndeleteOptions,
  type UndeleteRequestOptions,
} from "../../schemas.ts";
import type { DeletedQuery } from "../../store/store.ts";
import { deletedSince, digestKey, listAddresses, missing, toIdentity, toKey } from "../../subscriptions/rules.ts";
import { afterOfCursor, cursorAfter } from "../cursor.ts";
import { apiError, type ErrorKind, toErrorBody } from "../errors.ts";
import { describeUnknownField, findUnknownField, listFieldNames } from "../unknown-fields.ts";
import { createMatching } from "./matching.ts";
import type { Handlers, MethodParts } from "./method.ts";
import type { extensionMethods } from "./method-table.ts";
import { withoutNulls } from "./nulls.ts";
import type { MethodReply } from "./reply.ts";
import { success } from "./reply.ts";
import { presentConsentEntry, presentDeleted } from "./representations.ts";

/** What an item of a batch may hold: a subscription as calls name it, and what `list_deleted` shows of one. */
const itemNames = new Set([...listFieldNames(subscriptionIdentity), ...Object.keys(deletedSubscription.shape)]);

/** The methods beyond the vendor's. */
export function createExtensions({
  host,
  store,
  consent,
  flagging,
  settings,
}: MethodParts): Handlers<typeof extensionMethods> {
  const matching = createMatching(store, settings);

  function readUndeleteOptions({
    consent_guard,
    override_consent,
    reason,
    requested_by,
    dry_run,
  }: UndeleteRequestOptions) {
    const asking: UndeleteOptions = given({ consent_guard, override_consent, reason, requested_by });
    const message = missingReason(asking, settings);
    if (message !== undefined) throw apiError("bad_request", `field "reason": ${message}`);
    return { asking, dryRun: dry_run === true };
  }

  /** What is given is a place in a list: valid, or with its error. */
  type Place = { item: SubscriptionIdentity } | { given: unknown; error: ApiError<ErrorKind> };

  /** Brings many back, and answers with a result for each, in their order. */
  async function undeleteMany(
    places: readonly Place[],
    asked: UndeleteRequestOptions,
    token: Key,
  ): Promise<MethodReply> {
    const { asking, dryRun } = readUndeleteOptions(asked);
    const { batch, findError } = await flagging.many({
      verb: "undelete",
      items: places.flatMap((place) => ("item" in place ? [place.item] : [])),
      refused: places.flatMap((place) =>
        "item" in place ? [] : [{ item: place.given, code: "invalid", message: place.error.detail }],
      ),
      actor: token.id,
      asking,
      dryRun,
    });
    const result = places.map((place) => {
      const error = "item" in place ? findError(place.item) : place.error;
      const profile = "item" in place ? { profile_id: place.item.profile_id } : {};
      return { ...(error ? toErrorBody(error, settings) : success), ...profile };
    });
    return {
      members: { ...(dryRun && { dry_run: true }), result, updated: batch.counts.done },
      batch: batch.id,
    };
  }

  /** What was deleted too long ago is as good as gone. */
  const stillThere = () => deletedSince(settings.retentionDays, host.clock.now());

  const makeAuditFields = ({ reason, requested_by }: AuditFields, { id }: Key) => ({
    ...{ at: host.clock.now(), actor: id, reason: reason ?? null, requested_by: requested_by ?? null },
  });

  /** All deleted subscriptions of a query that can be brought back in one call. */
  async function selected(query: Omit<DeletedQuery, "limit">): Promise<Place[]> {
    const stored = await store.deleted({ ...query, deletedSince: stillThere(), limit: batchLimit + 1 });
    if (stored.length === 0) throw apiError("not_found", missing.message);
    const addresses = new Set(stored.map(({ channel, address }) => `${channel} ${address}`));
    // A hash of 32 bits may be that of several addresses, and then of several people.
    if (query.hash_id !== undefined && addresses.size > 1) {
      throw apiError(
        "bad_request",
        'field "hash_id": is that of more than one address: name a channel, or the address',
      );
    }
    if (stored.length > batchLimit) {
      throw apiError("bad_request", `more than ${batchLimit} deleted subscriptions: name a resource or a channel`);
    }
    return stored.map((one) => ({ item: toIdentity(one) }));
  }

  return {
    async "subscriptions/undelete"(asked, token) {
      if ("hash_id" in asked) {
        const { db_id, hash_id, profile_id, resource_id, channel } = asked;
        return undeleteMany(await selected({ db_id, hash_id, profile_id, resource_id, channel }), asked, token);
      }
      if ("matching" in asked) {
        const { db_id, resource_id, channel } = asked;
        const [profile_id, another] = await matching.profiles(asked, 2);
        if (profile_id === undefined) throw await matching.unknownProfile(db_id);
        if (another !== undefined) throw apiError("bad_request", "more than one profile matches");
        return undeleteMany(await selected({ db_id, profile_id, resource_id, channel }), asked, token);
      }
      const { asking, dryRun } = readUndeleteOptions(asked);
      const item = subscriptionIdentity.parse(asked);
      const batch = await flagging.one({ verb: "undelete", item, actor: token.id, asking, dryRun });
      return { members: { data: null, ...(dryRun && { dry_run: true }) }, batch: batch.id };
    },

    async "subscriptions/delete"({ reason, requested_by, dry_run, skip_triggers: _, ...item }, token) {
      const asking = given({ reason, requested_by });
      return flagging.delete({ item: item as SubscriptionIdentity, actor: token.id, asking, dryRun: dry_run === true });
    },

    async "subscriptions/undelete_batch"({ data, ...asked }, token) {
      return undeleteMany(data.map(readPlace), asked, token);
    },

    async "subscriptions/list_deleted"({ from_id, limit, ...query }) {
      const after = from_id ? afterOfCursor(from_id) : undefined;
      if (from_id && !after) throw notACursor();
      if (!(await store.hasDatabase(query.db_id))) throw apiError("not_found", "Database not found");
      const page = await store.deleted({ ...query, deletedSince: stillThere(), after, limit });
      const last = page.length === limit ? page.at(-1) : undefined;
      return { members: { data: page.map(presentDeleted), ...(last && { next_from_id: cursorAfter(last) }) } };
    },

    async "subscriptions/erase"({ reason, requested_by, dry_run, ...item }, token) {
      const key = toKey(item as SubscriptionIdentity, settings);
      const digest = digestKey(key);
      const found = dry_run
        ? (await store.find(key)) !== undefined
        : await consent.erase(key, digest, { ...makeAuditFields(given({ requested_by }), token), reason });
      // Erased already: what was asked for is so.
      if (!found && !(await consent.erased([digest])).has(digest)) throw apiError("not_found", missing.message);
      return { members: { data: null, ...(dry_run && { dry_run: true }) } };
    },

    async "subscriptions/suppress"(asked, token) {
      await consent.suppress(listAddresses(asked, settings), makeAuditFields(asked, token));
      return { members: { data: null } };
    },

    async "subscriptions/unsuppress"(asked, token) {
      await consent.unsuppress(listAddresses(asked, settings), makeAuditFields(asked, token));
      return { members: { data: null } };
    },

    async "subscriptions/list_consent"({ email, phone, action, from_id, limit }) {
      if (from_id && !/^\d{1,15}$/.test(from_id)) throw notACursor();
      const [address] = listAddresses({ email, phone }, settings);
      const before = from_id ? Number(from_id) : undefined;
      const page = await consent.log({ action, address, before, limit });
      const last = page.length === limit ? page.at(-1) : undefined;
      return { members: { data: page.map(presentConsentEntry), ...(last && { next_from_id: String(last.id) }) } };
    },
  };

  function readPlace(given: unknown): Place {
    const members = typeof given === "object" && given !== null ? withoutNulls(given) : given;
    const parsed = subscriptionIdentity.safeParse(members, { reportInput: true });
    // Flags belong to the call: here they would be lost.
    const stranger = parsed.success
      ? (findUnknownField(members as object, itemNames) ?? findFlagsInValue(members)[0]?.path.join("."))
      : undefined;
    if (parsed.success && stranger === undefined) return { item: parsed.data };
    const detail = stranger === undefined ? describeIssue(parsed.error?.issues[0]) : describeUnknownField(stranger);
    return { given, error: apiError("bad_request", detail) };
  }
}

const notACursor = () => apiError("bad_request", 'field "from_id": is not one that a page gave out');

/** The members that are not undefined. */
const given = <Members extends object>(members: Members) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Members]?: Exclude<Members[Name], undefined>;
  };
