import type { ApiError } from "@reinstate/batch-core/http";
import type { AltcraftSettings } from "../../options.ts";
import type { ProfileMatch } from "../../schemas.ts";
import type { Profile, SubscriptionStore } from "../../store/store.ts";
import { addressesToMatch } from "../../subscriptions/rules.ts";
import { apiError } from "../errors.ts";

/** Finds profiles, by their id or by an address of theirs. Page: profiles/2195482. */
export function createMatching(store: SubscriptionStore, settings: AltcraftSettings) {
  /** Whether there is no such profile, or not even such a database. */
  async function unknownProfile(dbId: number): Promise<ApiError> {
    return apiError("not_found", (await store.hasDatabase(dbId)) ? "Profile not found" : "Database not found");
  }

  return {
    unknownProfile,

    async mustKnowProfile(profile: Profile): Promise<void> {
      if (!(await store.hasProfile(profile))) throw await unknownProfile(profile.db_id);
    },

    /** The ids of the profiles that match, ascending, at most `limit` of them. */
    async profiles(match: ProfileMatch, limit: number): Promise<string[]> {
      const addresses = addressesToMatch(match, settings);
      if (addresses) return store.profilesWith(match.db_id, addresses, { resource_id: match.resource_id, limit });
      const { db_id, profile_id } = match as Profile;
      return (await store.hasProfile({ db_id, profile_id })) ? [profile_id] : [];
    },
  };
}
