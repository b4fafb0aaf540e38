import type { Key } from "@reinstate/batch-core";
import { type ApiError, findFlagsInValue } from "@reinstate/batch-core/http";
import type { UndeleteOptions } from "../../schemas/consent.ts";
import { batchLimit, deletedSubscription, type UndeleteRequestOptions } from "../../schemas/extensions.ts";
import { describeIssue, type SubscriptionIdentity, subscriptionIdentity } from "../../schemas/identity.ts";
import type { DeletedQuery } from "../../store/store.ts";
import { computeDeletedSince, missing, toIdentity } from "../../subscriptions/rules.ts";
import { encodeKeyCursor, parseKeyCursor } from "../cursor.ts";
import { apiError, type ErrorKind, toErrorBody } from "../errors.ts";
import { describeUnknownField, findUnknownField, listFieldNames } from "../unknown-fields.ts";
import { createMatching } from "./matching.ts";
import type { Handlers, MethodParts } from "./method.ts";
import type { extensionMethods } from "./method-table.ts";
import { withoutNulls } from "./nulls.ts";
import type { MethodReply } from "./reply.ts";
import { success } from "./reply.ts";
import { presentDeleted } from "./representations.ts";

/** Fields that an item of `undelete_batch` may have: a subscription's identity, and the fields that `list_deleted` returns. */
const itemNames = new Set([...listFieldNames(subscriptionIdentity), ...Object.keys(deletedSubscription.shape)]);

/** Creates the handlers of the extension methods. */
export function createExtensionHandlers({
  host,
  store,
  consent,
  flagBatches,
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
    const options: UndeleteOptions = withoutUndefined({ consent_guard, override_consent, reason, requested_by });
    const message = consent.validateReason(options);
    if (message !== undefined) throw apiError("bad_request", `field "reason": ${message}`);
    return { options, dryRun: dry_run === true };
  }

  /** An element of a list: a valid item, or the raw value with its error. */
  type Entry = { item: SubscriptionIdentity } | { raw: unknown; error: ApiError<ErrorKind> };

  /** Restores many subscriptions. Returns a result for each, in their order. */
  async function undeleteMany(
    entries: readonly Entry[],
    parameters: UndeleteRequestOptions,
    token: Key,
  ): Promise<MethodReply> {
    const { options, dryRun } = readUndeleteOptions(parameters);
    const { batch, findError } = await flagBatches.setMany({
      verb: "undelete",
      items: entries.flatMap((entry) => ("item" in entry ? [entry.item] : [])),
      refused: entries.flatMap((entry) =>
        "item" in entry ? [] : [{ item: entry.raw, code: "invalid", message: entry.error.detail }],
      ),
      actor: token.id,
      options,
      dryRun,
    });
    const result = entries.map((entry) => {
      const error = "item" in entry ? findError(entry.item) : entry.error;
      const profile = "item" in entry ? { profile_id: entry.item.profile_id } : {};
      return { ...(error ? toErrorBody(error, settings) : success), ...profile };
    });
    return {
      members: { ...(dryRun && { dry_run: true }), result, updated: batch.counts.done },
      batch: batch.id,
    };
  }

  /** Returns the time of the earliest delete that can be undone; earlier ones count as missing. */
  const earliestDelete = () => computeDeletedSince(settings.retentionDays, host.clock.now());

  /** Returns all deleted subscriptions that match a query, if one call can restore them. */
  async function selectDeleted(query: Omit<DeletedQuery, "limit">): Promise<Entry[]> {
    const stored = await store.listDeleted({ ...query, deletedSince: earliestDelete(), limit: batchLimit + 1 });
    if (stored.length === 0) throw apiError("not_found", missing.message);
    const addresses = new Set(stored.map(({ channel, address }) => `${channel} ${address}`));
    // Several addresses, and so several people, may share a hash of 32 bits.
    if (query.hash_id !== undefined && addresses.size > 1) {
      throw apiError("bad_request", 'field "hash_id": matches more than one address; name a channel, or the address');
    }
    if (stored.length > batchLimit) {
      throw apiError(
        "bad_request",
        `more than ${batchLimit} deleted subscriptions match; name a resource or a channel`,
      );
    }
    return stored.map((one) => ({ item: toIdentity(one) }));
  }

  return {
    async "subscriptions/undelete"(parameters, token) {
      if ("hash_id" in parameters) {
        const { db_id, hash_id, profile_id, resource_id, channel } = parameters;
        return undeleteMany(
          await selectDeleted({ db_id, hash_id, profile_id, resource_id, channel }),
          parameters,
          token,
        );
      }
      if ("matching" in parameters) {
        const { db_id, resource_id, channel } = parameters;
        const [profile_id, another] = await matching.findProfiles(parameters, 2);
        if (profile_id === undefined) throw await matching.toNotFoundError(db_id);
        if (another !== undefined) throw apiError("bad_request", "more than one profile matches; name its profile_id");
        return undeleteMany(await selectDeleted({ db_id, profile_id, resource_id, channel }), parameters, token);
      }
      const { options, dryRun } = readUndeleteOptions(parameters);
      const item = subscriptionIdentity.parse(parameters);
      const batch = await flagBatches.setOne({ verb: "undelete", item, actor: token.id, options, dryRun });
      return { members: { data: null, ...(dryRun && { dry_run: true }) }, batch: batch.id };
    },

    async "subscriptions/delete"({ reason, requested_by, dry_run, skip_triggers: _, ...item }, token) {
      return flagBatches.deleteOne({
        item: item as SubscriptionIdentity,
        actor: token.id,
        options: withoutUndefined({ reason, requested_by }),
        dryRun: dry_run === true,
      });
    },

    async "subscriptions/undelete_batch"({ data, ...parameters }, token) {
      return undeleteMany(data.map(readEntry), parameters, token);
    },

    async "subscriptions/list_deleted"({ from_id, limit, ...query }) {
      const after = from_id ? parseKeyCursor(from_id) : undefined;
      if (from_id && !after) throw toCursorError();
      if (!(await store.hasDatabase(query.db_id))) throw apiError("not_found", "Database not found");
      const page = await store.listDeleted({ ...query, deletedSince: earliestDelete(), after, limit });
      const last = page.length === limit ? page.at(-1) : undefined;
      return { members: { data: page.map(presentDeleted), ...(last && { next_from_id: encodeKeyCursor(last) }) } };
    },

    async "subscriptions/erase"(parameters, { id }) {
      if (!(await consent.erase(parameters, id))) throw apiError("not_found", missing.message);
      return { members: { data: null, ...(parameters.dry_run && { dry_run: true }) } };
    },

    async "subscriptions/suppress"(parameters, { id }) {
      await consent.suppress(parameters, id);
      return { members: { data: null } };
    },

    async "subscriptions/unsuppress"(parameters, { id }) {
      await consent.unsuppress(parameters, id);
      return { members: { data: null } };
    },

    async "subscriptions/list_consent"(parameters) {
      if (parameters.from_id && !/^\d{1,15}$/.test(parameters.from_id)) throw toCursorError();
      return { members: await consent.listEntries(parameters) };
    },
  };

  function readEntry(raw: unknown): Entry {
    const members = typeof raw === "object" && raw !== null ? withoutNulls(raw) : raw;
    const parsed = subscriptionIdentity.safeParse(members, { reportInput: true });
    // Safety flags belong to the call; inside an item they would be ignored.
    const unknownField = parsed.success
      ? (findUnknownField(members as object, itemNames) ?? findFlagsInValue(members)[0]?.path.join("."))
      : undefined;
    if (parsed.success && unknownField === undefined) return { item: parsed.data };
    const detail =
      unknownField === undefined ? describeIssue(parsed.error?.issues[0]) : describeUnknownField(unknownField);
    return { raw, error: apiError("bad_request", detail) };
  }
}

const toCursorError = () =>
  apiError("bad_request", 'field "from_id": is not a valid cursor; pass next_from_id of the previous page');

/** Returns the members that are not undefined. */
const withoutUndefined = <Members extends object>(members: Members) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Members]?: Exclude<Members[Name], undefined>;
  };
