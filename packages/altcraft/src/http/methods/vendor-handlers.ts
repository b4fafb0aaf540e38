import { unfitField } from "../../schemas/field-functions.ts";
import { areTooLong, tooLong } from "../../schemas/fields.ts";
import type { Status, SubscriptionScope } from "../../schemas/requests.ts";
import type { StoredSubscription } from "../../store/store.ts";
import {
  applyChanges,
  findInvalidIncrement,
  findUnknownCats,
  missing,
  newSubscription,
  statusWord,
  toKey,
} from "../../subscriptions/rules.ts";
import { encodeCursor, parseProfileCursor } from "../cursor.ts";
import { apiError } from "../errors.ts";
import { createMatching } from "./matching.ts";
import type { Handlers, MethodParts } from "./method.ts";
import type { vendorMethods } from "./method-table.ts";
import type { MethodReply } from "./reply.ts";
import { presentProfile, presentSubscription, presentWithIds } from "./representations.ts";

/** Checks the length after field functions such as `add`, which let a field grow with every call. */
function assertFieldLength({ custom_fields }: StoredSubscription): void {
  if (areTooLong(custom_fields)) throw apiError("bad_request", `field "custom_fields": ${tooLong}`);
}

/** Creates the handlers of the vendor's methods. */
export function createVendorHandlers({
  host,
  store,
  consent,
  flagBatches,
  settings,
}: MethodParts): Handlers<typeof vendorMethods> {
  const withDeleted = settings.deletedInReads === "shown";
  const matching = createMatching(store, settings);

  async function assertExist({ db_id, resource_id }: { db_id?: number | undefined; resource_id?: number | undefined }) {
    if (db_id !== undefined && !(await store.hasDatabase(db_id))) throw apiError("not_found", "Database not found");
    if (resource_id !== undefined && !(await store.findResource(resource_id))) {
      throw apiError("not_found", "Resource not found");
    }
  }

  async function changeStatus(scope: SubscriptionScope, from: Status, to: Status): Promise<MethodReply> {
    const whole = scope.channel === undefined && scope.resource_id === undefined;
    if (whole && settings.suspendWithoutFilter === "refuse") {
      throw apiError("bad_request", 'field "channel" or "resource_id": is required');
    }
    await assertExist(scope);
    const deleted = settings.suspendDeleted === "include";
    const updated = await store.changeStatus(scope, { from, to, at: host.clock.now(), deleted });
    return { members: { updated } };
  }

  return {
    async "subscriptions/undelete"(item, { id }) {
      const batch = await flagBatches.setOne({ verb: "undelete", item, actor: id });
      return { members: { data: null }, batch: batch.id };
    },

    "subscriptions/delete": (item, { id }) => flagBatches.deleteOne({ item, actor: id }),

    async "subscriptions/set"(item) {
      const resource = await store.findResource(item.resource_id);
      if (!resource) throw apiError("not_found", "Resource not found");
      if (findUnknownCats(resource.cats, item.cats).length > 0) {
        throw apiError("bad_request", 'field "subscriptions.cats" is not valid: category not found in resource');
      }
      const withProfile = settings.unknownProfile === "create";
      if (!withProfile) await matching.assertProfile(item);
      const now = host.clock.now();
      const assertIncrements = (stored: Record<string, unknown>) => {
        const field = findInvalidIncrement(stored, item.custom_fields);
        if (field !== undefined) throw apiError("bad_request", `field "custom_fields.${field}": ${unfitField}`);
      };
      assertIncrements({});
      const fresh = newSubscription(item, item, now, settings);
      assertFieldLength(fresh);
      const edit = (stored: StoredSubscription) => {
        if (!consent.allowsSet(stored)) {
          throw apiError("no_consent", "the subscription is deleted: bring it back with subscriptions/undelete");
        }
        assertIncrements(stored.custom_fields);
        const next = applyChanges(stored, item, now, settings.setRevives);
        assertFieldLength(next);
        return next;
      };
      await store.put(fresh, edit, { withProfile });
      return { members: { data: null } };
    },

    async "subscriptions/get"(item) {
      const stored = await store.find(toKey(item, settings));
      if (!stored || (stored.is_delete && !withDeleted)) throw apiError("not_found", missing.message);
      return { members: { data: presentSubscription(stored) } };
    },

    async "subscriptions/list"(profile) {
      await matching.assertProfile(profile);
      const stored = await store.listProfile(profile, { deleted: withDeleted });
      return { members: { data: stored.map(presentSubscription) } };
    },

    async "subscriptions/list_all"({ status, from_id, ...query }) {
      const after = from_id ? parseProfileCursor(from_id) : undefined;
      if (from_id && after === undefined) {
        throw apiError("bad_request", 'field "from_id": is not a valid cursor; pass next_from_id of the previous page');
      }
      await assertExist(query);
      const wanted = status === undefined ? undefined : statusWord(status);
      const page = await store.readPage({ ...query, status: wanted, after, deleted: withDeleted });
      const last = page.at(-1);
      const next = last && { next_from_id: encodeCursor({ ...query, profile_id: last.profile_id, status: wanted }) };
      return { members: { data: page.map(presentWithIds), ...next } };
    },

    "subscriptions/suspend_all": (scope) => changeStatus(scope, "subscribed", "suspended"),
    "subscriptions/unsuspend_all": (scope) => changeStatus(scope, "suspended", "subscribed"),

    async "profiles/get"(match) {
      const [profile_id] = await matching.findProfiles(match, 1);
      if (profile_id === undefined) throw await matching.toNotFoundError(match.db_id);
      const profile = { db_id: match.db_id, profile_id };
      return { members: { data: presentProfile(profile, await store.listProfile(profile, { deleted: true })) } };
    },
  };
}
