import * as z from "zod";
import {
  batchReply,
  consentReply,
  deletedReply,
  getReply,
  listReply,
  pageReply,
  plainReply,
  profileGet,
  profileReply,
  subscriptionDelete,
  subscriptionErase,
  subscriptionIdentity,
  subscriptionList,
  subscriptionListAll,
  subscriptionListConsent,
  subscriptionListDeleted,
  subscriptionScope,
  subscriptionSet,
  subscriptionUndelete,
  subscriptionUndeleteShape,
  suppression,
  undeleteBatch,
  undeleteBatchShape,
  undeleteReply,
  updatedReply,
} from "../../schemas.ts";

/** What a method takes and answers. */
export interface MethodRow {
  summary: string;
  /** The page of the vendor's developer guide; none where the vendor has no such method. */
  source?: string;
  /** Changes something, so that a repeated request must be known as one. */
  changes: boolean;
  parameters: z.ZodType;
  /** The same where `parameters` does not show what is inside: by it XML is typed, and the method described. */
  shape?: z.ZodType;
  /** Takes thousands of items, so that its body may hold more. */
  bulk?: true;
  /** Makes a batch, which the header `X-Reinstate-Batch` names. */
  batch?: true;
  /** Parameters without which more would be changed: given as null, they are refused and not taken for left out. */
  filters?: readonly string[];
  /** Refuses a parameter that it does not have, whatever the settings say: a flag with a slip in its name must not be lost. */
  strict?: true;
  /** Cannot be undone, or changes what the guard looks at: only for a token whose option `methods` names it. */
  restricted?: true;
  reply: z.ZodType;
}

/** The vendor's methods by the path behind `/api/v1.1/`. */
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
    reply: updatedReply,
  },
  "subscriptions/unsuspend_all": {
    summary: "Subscribe what is suspended",
    source: "profiles/subscriptions/2195539",
    changes: true,
    parameters: subscriptionScope,
    filters: ["channel", "resource_id"],
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

/** What is served beyond the vendor where the option `extensions` says so. */
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

/** What every method takes beside its own parameters. */
export const commonParameters = z.object({ token: z.string().optional(), format: z.string().optional() });
