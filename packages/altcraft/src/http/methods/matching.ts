import type { ApiError } from "@reinstate/batch-core/http";
import type { AltcraftSettings } from "../../options.ts";
import type { ProfileMatch } from "../../schemas/requests.ts";
import type { Profile, SubscriptionStore } from "../../store/store.ts";
import { addressesToMatch } from "../../subscriptions/rules.ts";
import { apiError } from "../errors.ts";

/** Creates the look-up of profiles by id or by address. Page: profiles/2195482. */
export function createMatching(store: SubscriptionStore, settings: AltcraftSettings) {
  /** Returns the error for a missing profile, or for a missing database. */
  async function toNotFoundError(dbId: number): Promise<ApiError> {
    return apiError("not_found", (await store.hasDatabase(dbId)) ? "Profile not found" : "Database not found");
  }

  return {
    toNotFoundError,

    /** @throws `ApiError` if the profile does not exist. */
    async assertProfile(profile: Profile): Promise<void> {
      if (!(await store.hasProfile(profile))) throw await toNotFoundError(profile.db_id);
    },

    /** Returns the ids of matching profiles in ascending order, at most `limit` of them. */
    async findProfiles(match: ProfileMatch, limit: number): Promise<string[]> {
      const addresses = addressesToMatch(match, settings);
      if (addresses) return store.findProfiles(match.db_id, addresses, { resource_id: match.resource_id, limit });
      const { db_id, profile_id } = match as Profile;
      return (await store.hasProfile({ db_id, profile_id })) ? [profile_id] : [];
    },
  };
}
