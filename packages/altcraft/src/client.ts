import {
  type CallerOptions,
  createCaller,
  type ReadReply,
  type Reply,
  type RetryOptions,
  VendorError,
  type VendorErrorKind,
  type VendorRefusal,
} from "@reinstate/batch-core/client";
import type * as z from "zod";
import { extensionMethods, type MethodRow, vendorMethods } from "./http/methods/method-table.ts";
import { readXml, writeXml } from "./http/xml.ts";
import { readValue } from "./http/xml-values.ts";
import type { ConsentReply, SubscriptionErase, Suppression, subscriptionListConsent } from "./schemas/consent.ts";
import type {
  BatchReply,
  DeletedReply,
  SubscriptionDelete,
  subscriptionListDeleted,
  UndeleteBatch,
  UndeleteByHash,
  UndeleteByMatching,
  UndeleteReply,
  UndeleteRequestOptions,
} from "./schemas/extensions.ts";
import { customChannelName, type SubscriptionIdentity } from "./schemas/identity.ts";
import {
  envelope,
  type GetReply,
  type ListReply,
  type PageReply,
  type PlainReply,
  type ProfileReply,
  type UpdatedReply,
} from "./schemas/replies.ts";
import type {
  ProfileMatch,
  SubscriptionList,
  SubscriptionScope,
  SubscriptionSet,
  subscriptionListAll,
} from "./schemas/requests.ts";

export { type RetryOptions, VendorError, type VendorErrorKind } from "@reinstate/batch-core/client";

/** Options of the client. */
export interface AltcraftClientOptions
  extends Pick<CallerOptions, "baseUrl" | "fetch" | "timeoutMs" | "replyLimit" | "breaker"> {
  /** API token. It is sent in the header `Authorization`, never in an address, and never part of an error. */
  token: string;
  /** Format of requests and replies. Default: `json`. */
  format?: "json" | "xml";
  /**
   * Retries after a lost connection or a status 408, 429 or 5xx. A retry has the same `Request-ID`, so the vendor's deduplication
   * executes the call once. `attempts: 1` turns retries off.
   */
  retry?: RetryOptions;
}

/** Options of one call. */
export interface AltcraftCallOptions {
  signal?: AbortSignal;
  /** `Request-ID` of 1 to 255 printable characters. Default: a new UUID for each call. */
  requestId?: string;
}

type Call<Parameters, Answer> = (parameters: Parameters, options?: AltcraftCallOptions) => Promise<Answer>;

/**
 * Client of Altcraft's API. Each call returns the vendor's reply.
 *
 * @throws `VendorError` with the vendor's code; of the kind `bad_reply` if the server executed a dry run
 * @throws `XmlError` before sending, for parameters that XML cannot express
 */
export interface AltcraftClient {
  subscriptions: {
    /** Restores a deleted subscription. The consent guard and the dry run need a server with extensions. */
    undelete: Call<SubscriptionIdentity & UndeleteRequestOptions, UndeleteReply>;
    /**
     * Marks a subscription as deleted, so that it can be restored. A server with extensions stores `reason` and `requested_by`, and
     * supports a dry run.
     */
    delete: Call<SubscriptionDelete, PlainReply>;
    /** Adds or edits a subscription. */
    set: Call<SubscriptionSet, PlainReply>;
    /** Returns one subscription. */
    get: Call<SubscriptionIdentity, GetReply>;
    /** Returns all subscriptions of a profile. */
    list: Call<SubscriptionList, ListReply>;
    /** Returns a page of the subscriptions of a resource. `next_from_id` of one page is `from_id` of the next. */
    listAll: Call<z.input<typeof subscriptionListAll>, PageReply>;
    /** Suspends subscribed subscriptions, in the whole database if neither channel nor resource is named. */
    suspendAll: Call<SubscriptionScope, UpdatedReply>;
    /** Subscribes suspended subscriptions. */
    unsuspendAll: Call<SubscriptionScope, UpdatedReply>;
    /** Extension: restores the subscriptions with a `hash_id`, or those of the profile that `matching` finds. */
    undeleteBy: Call<UndeleteByHash | UndeleteByMatching, UndeleteReply>;
    /** Extension: restores up to 10,000 subscriptions, with a result for each. */
    undeleteBatch: Call<UndeleteBatch, BatchReply>;
    /** Extension: returns a page of deleted subscriptions. */
    listDeleted: Call<z.input<typeof subscriptionListDeleted>, DeletedReply>;
    /** Extension: erases a subscription irreversibly. */
    erase: Call<SubscriptionErase, PlainReply>;
    /** Extension: adds an address to the suppression list, which the consent guard checks. */
    suppress: Call<Suppression, PlainReply>;
    /** Extension: removes an address from the suppression list. */
    unsuppress: Call<Suppression, PlainReply>;
    /** Extension: returns a page of the consent log, newest first. */
    listConsent: Call<z.input<typeof subscriptionListConsent>, ConsentReply>;
  };
  profiles: {
    /** Returns a profile with its subscriptions. Only this call returns deleted ones. */
    get: Call<ProfileMatch, ProfileReply>;
  };
}

interface DryRunField {
  dry_run?: unknown;
}

/** Limits of a reply, which may be much larger than a request. */
const replyLimits = {
  depth: 32,
  values: 1_000_000,
  children: 1_000_000,
  attributes: 16,
  text: 1_000_000,
};

/**
 * Creates a client of Altcraft's API v1.1, or of a gateway that serves it. `baseUrl` ends before the method, such as
 * `https://example.com/api/v1.1`.
 *
 * @example
 * const { subscriptions } = createAltcraftClient({ baseUrl: "https://example.com/api/v1.1", token });
 * await subscriptions.undelete({ db_id: 1, resource_id: 26, profile_id, channel: "email", email: "john@example.com" });
 */
export function createAltcraftClient(options: AltcraftClientOptions): AltcraftClient {
  const { token, format = "json", ...connection } = options;
  const caller = createCaller({
    ...connection,
    vendor: "Altcraft",
    headers: { authorization: `Bearer ${token}`, "content-type": `application/${format}` },
    requestIdHeader: "request-id",
    readRefusal,
    parse,
  });

  function createCall<Answer>(method: string, { reply, changes }: MethodRow) {
    const answer = reply as z.ZodType<Answer>;
    return async (parameters: object, { signal, requestId = crypto.randomUUID() }: AltcraftCallOptions = {}) => {
      const members = { ...parameters, format };
      const body = format === "xml" ? writeXml(members, { request: true }) : JSON.stringify(members);
      const result = await caller({
        method: "POST",
        path: `/${method}`,
        name: method,
        body,
        answer,
        signal,
        requestId,
        changes,
        // The vendor executes requests with equal `Request-ID`s once.
        repeatable: true,
      });
      if ((parameters as DryRunField).dry_run === true && (result as DryRunField).dry_run !== true) {
        const message = `${method}: the server does not support dry_run and executed the request`;
        throw new VendorError("bad_reply", message, { requestId, body: result });
      }
      return result;
    };
  }

  const vendor = <Answer>(method: keyof typeof vendorMethods) => createCall<Answer>(method, vendorMethods[method]);
  const extension = <Answer>(method: keyof typeof extensionMethods) =>
    createCall<Answer>(method, extensionMethods[method]);
  return {
    subscriptions: {
      undelete: extension("subscriptions/undelete"),
      delete: extension("subscriptions/delete"),
      set: vendor("subscriptions/set"),
      get: vendor("subscriptions/get"),
      list: vendor("subscriptions/list"),
      listAll: vendor("subscriptions/list_all"),
      suspendAll: vendor("subscriptions/suspend_all"),
      unsuspendAll: vendor("subscriptions/unsuspend_all"),
      undeleteBy: extension("subscriptions/undelete"),
      undeleteBatch: extension("subscriptions/undelete_batch"),
      listDeleted: extension("subscriptions/list_deleted"),
      erase: extension("subscriptions/erase"),
      suppress: extension("subscriptions/suppress"),
      unsuppress: extension("subscriptions/unsuppress"),
      listConsent: extension("subscriptions/list_consent"),
    },
    profiles: { get: vendor("profiles/get") },
  };
}

/**
 * Returns the name of a custom channel, for the parameter `channel`.
 *
 * @throws `ZodError` for the name of a documented channel
 */
export const customChannel = (name: string) => customChannelName.parse(name);

/** Returns the error in a reply. The envelope decides, because some servers always reply with status 200. */
function readRefusal({ status, body, retryAfterMs }: ReadReply, { name }: { name: string }): VendorRefusal | undefined {
  const result = envelope.safeParse(body);
  const code = result.data?.error;
  const refuse = (kind: VendorErrorKind, detail: string) => ({ kind, code, message: `${name}: ${detail}` });
  if (status === 429 || code === 429) return refuse("rate_limited", "too many requests");
  if (status === 503 || code === 503) return refuse("unavailable", "the server is not available");
  const detail = result.success ? `${result.data.error_text} (${code})` : `an answer with status ${status}`;
  // The outcome is unknown: the request failed on the way, or an equal request is still running.
  const isRunning = code === 409 && retryAfterMs !== undefined;
  if (status >= 500 || (code ?? 0) >= 500 || status === 408 || isRunning) return refuse("unknown_outcome", detail);
  if (!result.success) return refuse("bad_reply", `${detail} that is not Altcraft's`);
  return code === 0 ? undefined : refuse("rejected", detail);
}

function parse({ text, headers }: Reply, answer: z.ZodType): unknown {
  const isXml = /xml/i.test(headers.get("content-type") ?? "") || /^\s*</.test(text);
  return isXml ? readValue(readXml(text, replyLimits), answer, { reply: true }) : JSON.parse(text);
}
