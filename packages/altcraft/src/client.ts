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
import {
  type BatchReply,
  type ConsentReply,
  customChannelName,
  type DeletedReply,
  envelope,
  type GetReply,
  type ListReply,
  type PageReply,
  type PlainReply,
  type ProfileMatch,
  type ProfileReply,
  type SubscriptionDelete,
  type SubscriptionErase,
  type SubscriptionIdentity,
  type SubscriptionList,
  type SubscriptionScope,
  type SubscriptionSet,
  type Suppression,
  type subscriptionListAll,
  type subscriptionListConsent,
  type subscriptionListDeleted,
  type UndeleteBatch,
  type UndeleteByHash,
  type UndeleteByMatching,
  type UndeleteReply,
  type UndeleteRequestOptions,
  type UpdatedReply,
} from "./schemas.ts";

export { type RetryOptions, VendorError, type VendorErrorKind } from "@reinstate/batch-core/client";

export interface AltcraftClientOptions
  extends Pick<CallerOptions, "baseUrl" | "fetch" | "timeoutMs" | "replyLimit" | "breaker"> {
  /** Sent in the header `Authorization`, never in an address and never in an error. */
  token: string;
  /** The format of requests and replies. Default `json`. */
  format?: "json" | "xml";
  /**
   * How a call is repeated where the connection is lost or the server answers 408, 429 or 5xx. A repeat carries the same
   * `Request-ID`, so that the vendor's own deduplication carries it out once. `attempts: 1` repeats nothing.
   */
  retry?: RetryOptions;
}

export interface AltcraftCallOptions {
  signal?: AbortSignal;
  /** 1 to 255 printable characters. Default: a new one for each call. */
  requestId?: string;
}

type Call<Parameters, Answer> = (parameters: Parameters, options?: AltcraftCallOptions) => Promise<Answer>;

/**
 * Each call answers with the vendor's own reply, or throws a `VendorError` with the vendor's code: of the kind `bad_reply` where a
 * dry run was asked for and the server knows none. In XML, what XML cannot hold is thrown as an `XmlError` and not sent.
 */
export interface AltcraftClient {
  subscriptions: {
    /** Brings a deleted subscription back as it was. The guard and the dry run need a server with extensions. */
    undelete: Call<SubscriptionIdentity & UndeleteRequestOptions, UndeleteReply>;
    /**
     * Marks a subscription as deleted; it stays, and can be brought back. A server with extensions keeps who asked and why, and
     * knows a dry run.
     */
    delete: Call<SubscriptionDelete, PlainReply>;
    /** Adds a subscription or edits the one that is there. */
    set: Call<SubscriptionSet, PlainReply>;
    get: Call<SubscriptionIdentity, GetReply>;
    /** All subscriptions of a profile. */
    list: Call<SubscriptionList, ListReply>;
    /** The subscriptions of a resource, a page at a time: `next_from_id` of one page is `from_id` of the next. */
    listAll: Call<z.input<typeof subscriptionListAll>, PageReply>;
    /** Suspends what is subscribed, in a whole database where no channel and no resource is named. */
    suspendAll: Call<SubscriptionScope, UpdatedReply>;
    /** Subscribes what is suspended. */
    unsuspendAll: Call<SubscriptionScope, UpdatedReply>;
    /** Beyond the vendor: brings back what shares a `hash_id`, or what a profile has that is found by a matching. */
    undeleteBy: Call<UndeleteByHash | UndeleteByMatching, UndeleteReply>;
    /** Beyond the vendor: up to 10,000 in one call, each with a result of its own. */
    undeleteBatch: Call<UndeleteBatch, BatchReply>;
    /** Beyond the vendor: what is deleted, a page at a time. */
    listDeleted: Call<z.input<typeof subscriptionListDeleted>, DeletedReply>;
    /** Beyond the vendor: forgets a subscription for good. */
    erase: Call<SubscriptionErase, PlainReply>;
    /** Beyond the vendor: the suppression list, at which the consent guard looks. */
    suppress: Call<Suppression, PlainReply>;
    unsuppress: Call<Suppression, PlainReply>;
    /** Beyond the vendor: who suppressed, unsuppressed or erased what, and why; newest first, a page at a time. */
    listConsent: Call<z.input<typeof subscriptionListConsent>, ConsentReply>;
  };
  profiles: {
    /** A profile with all its subscriptions; what is deleted is seen here alone. */
    get: Call<ProfileMatch, ProfileReply>;
  };
}

interface Dry {
  dry_run?: unknown;
}

/** A reply may be much larger than a request. */
const replyLimits = { depth: 32, values: 1_000_000, children: 1_000_000, attributes: 16, text: 1_000_000 };

/**
 * A client of Altcraft's API v1.1, or of a gateway that serves it. `baseUrl` is what stands before the method, as
 * `https://example.com/api/v1.1`.
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

  function calling<Answer>(method: string, { reply, changes }: MethodRow) {
    const answer = reply as z.ZodType<Answer>;
    return async (parameters: object, { signal, requestId = crypto.randomUUID() }: AltcraftCallOptions = {}) => {
      const given = { ...parameters, format };
      const body = format === "xml" ? writeXml(given, { request: true }) : JSON.stringify(given);
      const told = await caller({
        ...{ method: "POST", path: `/${method}`, name: method, body, answer, signal, requestId, changes },
        // The vendor carries out what comes with the same `Request-ID` once.
        repeatable: true,
      });
      if ((parameters as Dry).dry_run === true && (told as Dry).dry_run !== true) {
        const message = `${method}: the server knows no dry run, and has carried it out`;
        throw new VendorError("bad_reply", message, { requestId, body: told });
      }
      return told;
    };
  }

  const vendor = <Answer>(method: keyof typeof vendorMethods) => calling<Answer>(method, vendorMethods[method]);
  const beyond = <Answer>(method: keyof typeof extensionMethods) => calling<Answer>(method, extensionMethods[method]);
  return {
    subscriptions: {
      undelete: beyond("subscriptions/undelete"),
      delete: beyond("subscriptions/delete"),
      set: vendor("subscriptions/set"),
      get: vendor("subscriptions/get"),
      list: vendor("subscriptions/list"),
      listAll: vendor("subscriptions/list_all"),
      suspendAll: vendor("subscriptions/suspend_all"),
      unsuspendAll: vendor("subscriptions/unsuspend_all"),
      undeleteBy: beyond("subscriptions/undelete"),
      undeleteBatch: beyond("subscriptions/undelete_batch"),
      listDeleted: beyond("subscriptions/list_deleted"),
      erase: beyond("subscriptions/erase"),
      suppress: beyond("subscriptions/suppress"),
      unsuppress: beyond("subscriptions/unsuppress"),
      listConsent: beyond("subscriptions/list_consent"),
    },
    profiles: { get: vendor("profiles/get") },
  };
}

/** The name of a channel of one's own, for `channel`. Throws where it is the name of a documented channel. */
export const customChannel = (name: string) => customChannelName.parse(name);

/** Some servers answer 200 whatever happened: the envelope is what counts. */
function readRefusal({ status, body, retryAfterMs }: ReadReply, { name }: { name: string }): VendorRefusal | undefined {
  const result = envelope.safeParse(body);
  const code = result.data?.error;
  const refuse = (kind: VendorErrorKind, said: string) => ({ kind, code, message: `${name}: ${said}` });
  if (status === 429 || code === 429) return refuse("rate_limited", "too many requests");
  if (status === 503 || code === 503) return refuse("unavailable", "the server is not available");
  const said = result.success ? `${result.data.error_text} (${code})` : `an answer with status ${status}`;
  // Whether it was done is not known: it broke down on the way, or the first of two equal requests is still at work.
  const isAtWork = code === 409 && retryAfterMs !== undefined;
  if (status >= 500 || (code ?? 0) >= 500 || status === 408 || isAtWork) return refuse("unknown_outcome", said);
  if (!result.success) return refuse("bad_reply", `${said} that is not Altcraft's`);
  return code === 0 ? undefined : refuse("rejected", said);
}

function parse({ text, headers }: Reply, answer: z.ZodType): unknown {
  const isXml = /xml/i.test(headers.get("content-type") ?? "") || /^\s*</.test(text);
  return isXml ? readValue(readXml(text, replyLimits), answer, { reply: true }) : JSON.parse(text);
}
