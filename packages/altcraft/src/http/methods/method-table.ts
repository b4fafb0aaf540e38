import * as z from "zod";
import { consentReply, subscriptionErase, subscriptionListConsent, suppression } from "../../schemas/consent.ts";
import {
  batchReply,
  deletedReply,
  subscriptionDelete,
  subscriptionListDeleted,
  subscriptionUndelete,
  subscriptionUndeleteShape,
  undeleteBatch,
  undeleteBatchShape,
  undeleteReply,
} from "../../schemas/extensions.ts";
import { subscriptionIdentity } from "../../schemas/identity.ts";
import { getReply, listReply, pageReply, plainReply, profileReply, updatedReply } from "../../schemas/replies.ts";
import {
  profileGet,
  subscriptionList,
  subscriptionListAll,
  subscriptionScope,
  subscriptionSet,
} from "../../schemas/requests.ts";

/** Description of a method: its parameters, its reply and its properties. */
export interface MethodRow {
  summary: string;
  /** Page of the vendor's developer guide; absent for extensions. */
  source?: string;
  /** Whether the method changes records. Only then are repeated requests deduplicated. */
  changes: boolean;
  parameters: z.ZodType;
  /** Schema for typing XML and for OpenAPI, if `parameters` does not expose its fields. */
  shape?: z.ZodType;
  /** Takes thousands of items, so larger bodies are accepted. */
  bulk?: true;
  /** Creates a batch; the response header `X-Reinstate-Batch` holds its id. */
  batch?: true;
  /** Scope-narrowing parameters. Null is rejected and not treated as absent, because absence widens the scope. */
  filters?: readonly string[];
  /**
   * Rejects unknown parameters regardless of `unknownParameters`, because a misspelled safety flag or filter must not be ignored.
   */
  strict?: true;
  /** Requires a token whose option `methods` lists the method, because it is irreversible or changes consent. */
  restricted?: true;
  reply: z.ZodType;
}

/** The vendor's methods, by their path after `/api/v1.1/`. */
export const vendorMethods = {
  "subscriptions/undelete": {
    summary: "Bring a deleted subscription back as it was",
    source: "profiles/subscriptions/2195531",
    changes: true,
    parameters: subscriptionIdentity,
    batch: true,
    reply: plainReply,
  },
  "subscriptions/delete": {
    summary: "Mark a subscription as deleted; undelete brings it back",
    source: "profiles/subscriptions/2195529",
    changes: true,
    parameters: subscriptionIdentity,
    batch: true,
    reply: plainReply,
  },
  "subscriptions/set": {
    summary: "Add a subscription, or edit the one that is there",
    source: "profiles/subscriptions/2195519",
    changes: true,
    parameters: subscriptionSet,
    reply: plainReply,
  },
  "subscriptions/get": {
    summary: "Get one subscription",
    source: "profiles/subscriptions/2195527",
    changes: false,
    parameters: subscriptionIdentity,
    reply: getReply,
  },
  "subscriptions/list": {
    summary: "List the subscriptions of a profile",
    source: "profiles/subscriptions/2195522",
    changes: false,
    parameters: subscriptionList,
    reply: listReply,
  },
  "subscriptions/list_all": {
    summary: "List the subscriptions of a resource, a page at a time",
    source: "profiles/subscriptions/2195524",
    changes: false,
    parameters: subscriptionListAll,
    reply: pageReply,
  },
  "subscriptions/suspend_all": {
    summary: "Suspend what is subscribed",
    source: "profiles/subscriptions/2195533",
    changes: true,
    parameters: subscriptionScope,
    filters: ["channel", "resource_id"],
    strict: true,
    reply: updatedReply,
  },
  "subscriptions/unsuspend_all": {
    summary: "Subscribe what is suspended",
    source: "profiles/subscriptions/2195539",
    changes: true,
    parameters: subscriptionScope,
    filters: ["channel", "resource_id"],
    strict: true,
    reply: updatedReply,
  },
  "profiles/get": {
    summary: "Get a profile with its subscriptions, deleted ones too",
    source: "profiles/2195482",
    changes: false,
    parameters: profileGet,
    reply: profileReply,
  },
} as const satisfies Record<string, MethodRow>;

/** Methods beyond the vendor's, served if the option `extensions` is on. They replace vendor methods of the same name. */
export const extensionMethods = {
  "subscriptions/undelete": {
    summary: "Bring back one subscription, or all that a value finds",
    changes: true,
    parameters: subscriptionUndelete,
    shape: subscriptionUndeleteShape,
    batch: true,
    filters: ["channel", "resource_id", "profile_id"],
    strict: true,
    reply: undeleteReply,
  },
  "subscriptions/delete": {
    summary: "Mark a subscription as deleted, with who asked and why",
    changes: true,
    parameters: subscriptionDelete,
    batch: true,
    strict: true,
    reply: plainReply,
  },
  "subscriptions/undelete_batch": {
    summary: "Bring back up to 10,000 subscriptions in one call",
    changes: true,
    parameters: undeleteBatch,
    shape: undeleteBatchShape,
    bulk: true,
    batch: true,
    strict: true,
    reply: batchReply,
  },
  "subscriptions/list_deleted": {
    summary: "List the deleted subscriptions of a database",
    changes: false,
    parameters: subscriptionListDeleted,
    strict: true,
    reply: deletedReply,
  },
  "subscriptions/erase": {
    summary: "Erase a subscription: undelete cannot bring it back",
    changes: true,
    parameters: subscriptionErase,
    strict: true,
    restricted: true,
    reply: plainReply,
  },
  "subscriptions/suppress": {
    summary: "Put an address on the suppression list",
    changes: true,
    parameters: suppression,
    strict: true,
    restricted: true,
    reply: plainReply,
  },
  "subscriptions/unsuppress": {
    summary: "Take an address off the suppression list",
    changes: true,
    parameters: suppression,
    strict: true,
    restricted: true,
    reply: plainReply,
  },
  "subscriptions/list_consent": {
    summary: "List who suppressed, unsuppressed or erased what",
    changes: false,
    parameters: subscriptionListConsent,
    strict: true,
    reply: consentReply,
  },
} as const satisfies Record<string, MethodRow>;

export type VendorMethodName = keyof typeof vendorMethods;
export type ExtensionMethodName = keyof typeof extensionMethods;

/** Parameters of every method. */
export const commonParameters = z.object({ token: z.string().optional(), format: z.string().optional() });
