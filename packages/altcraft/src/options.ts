import {
  decimalNumber,
  givenTogether,
  headerSecret,
  httpBaseUrl,
  readVendorOptions,
  wholeNumber,
} from "@reinstate/batch-core";
import * as z from "zod";
import type { AltcraftClientOptions } from "./client.ts";

const code = (standard: number) => wholeNumber({ least: 400, most: 599 }).default(standard);
const bytes = (standard: number) => wholeNumber({ least: 1, most: 1024 ** 3 }).default(standard);

/**
 * Settings for behavior that the vendor does not document, each with a default. Every value may be a string, as in the environment.
 */
export const altcraftOptions = z
  .strictObject({
    /** Whether the extensions are served: bulk undelete, dry run, lists of deleted subscriptions, consent guard and erasing. */
    extensions: z.enum(["off", "on"]).default("off"),
    // The next three are for the features of the folder consent/.
    /** Whether the consent guard checks every undelete, or only those that request it. It requires a reason for each. */
    consentGuard: z.enum(["on_request", "always"]).default("on_request"),
    /** Error code for undelete of an erased subscription. */
    erasedError: code(410),
    /** Error code for an undelete that the consent guard rejects. */
    consentError: code(409),
    /** Whether `hash_id` is computed from the normalized address or from the address as sent. Choose it before the first record. */
    hashIdInput: z.enum(["compared", "given"]).default("compared"),
    /** HTTP status of an error: its code, or 200 with the code in the body alone; 405, 413, 415, 429 and 503 always use their own. */
    httpStatus: z.enum(["follow_error", "always_200"]).default("follow_error"),
    /** Error text for a missing token. */
    tokenRequiredText: z.string().min(1).default("API token required"),
    /** Error code for an unknown token. */
    unknownTokenError: code(401),
    /** Error code for a method that the token may not call. */
    forbiddenError: code(403),
    /** Error code for an invalid request. */
    badRequestError: code(400),
    /** Error code for an unknown subscription, profile, resource or database. */
    notFoundError: code(404),
    /** Reply to an undelete of a live subscription, and to a delete of a deleted one. */
    unchanged: z.enum(["success", "error"]).default("success"),
    /** Whether `set` restores a deleted subscription, or edits it and leaves it deleted. */
    setRevives: z.enum(["yes", "no"]).default("yes"),
    /** Whether `set` adds an unknown profile, or fails. */
    unknownProfile: z.enum(["fail", "create"]).default("fail"),
    /** Whether `get`, `list` and `list_all` return deleted subscriptions. */
    deletedInReads: z.enum(["hidden", "shown"]).default("hidden"),
    /** Whether `suspend_all` and `unsuspend_all` change deleted subscriptions. */
    suspendDeleted: z.enum(["skip", "include"]).default("skip"),
    /** Effect of `suspend_all` and `unsuspend_all` without channel and resource. */
    suspendWithoutFilter: z.enum(["whole_database", "refuse"]).default("whole_database"),
    /** Whether a repeated `Request-ID` gets the first reply again. */
    deduplication: z.enum(["request_id", "off"]).default("request_id"),
    /** Time for which a reply is stored for repeats, in seconds. */
    deduplicationSeconds: wholeNumber({ least: 1, most: 315_360_000 }).default(86_400),
    /** Whether the reply of delete has `"data": null`, as that of undelete has. */
    deleteReplyData: z.enum(["null", "none"]).default("null"),
    /** Whether the reply of an error has `"data": null`, in both formats. */
    errorReplyData: z.enum(["none", "null"]).default("none"),
    /** Whether e-mail addresses are compared without case and outer white space, or as sent. Choose it before the first record. */
    emailComparison: z.enum(["ignore_case", "exact"]).default("ignore_case"),
    /** Whether phones are compared without spaces, dashes and brackets, or as sent. Choose it before the first record. */
    phoneComparison: z.enum(["ignore_punctuation", "exact"]).default("ignore_punctuation"),
    /** Whether parameters that a method of the vendor does not have are rejected, such as `skip_triggers` on delete. */
    unknownParameters: z.enum(["ignored", "refused"]).default("ignored"),
    /** Time after its delete in which a subscription can be restored, in days. */
    retentionDays: z
      .union([z.literal("forever"), wholeNumber({ least: 1, most: 36_500 })], {
        error: "must be forever, or a whole number from 1 to 36500",
      })
      .default("forever"),
    /** Format of a reply if the request has no `format`. */
    defaultFormat: z.enum(["follow_request", "json", "xml"]).default("follow_request"),
    /** Content type of a JSON reply. */
    jsonContentType: z.string().min(1).default("application/json"),
    /** Content type of an XML reply. */
    xmlContentType: z.string().min(1).default("application/xml"),
    /** Whether an XML reply starts with `<?xml …?>`. */
    xmlDeclaration: z.enum(["no", "yes"]).default("no"),
    /** Largest JSON body, in bytes; a larger one is error 413. */
    jsonBodyLimit: bytes(10 * 1024 * 1024),
    /** Largest XML body, in bytes; a larger one is error 413. */
    xmlBodyLimit: bytes(64 * 1024),
    /** Largest XML body of `undelete_batch`, in bytes. */
    xmlBatchBodyLimit: bytes(8 * 1024 * 1024),
    /** URL of the real Altcraft before its methods, such as `https://example.com/api/v1.1`, for batches with the target `upstream`. */
    upstreamUrl: httpBaseUrl.optional(),
    /** API token of the real Altcraft. */
    upstreamToken: headerSecret.optional(),
    /** Largest number of concurrent calls to the real Altcraft, over all processes. */
    upstreamConcurrency: wholeNumber({ least: 1, most: 100 }).default(4),
    /** Calls to the real Altcraft per second, over all processes. */
    upstreamPerSecond: decimalNumber({ least: 0.01, most: 10_000 }).default(20),
  })
  .check(givenTogether("upstreamUrl", "upstreamToken"))
  .superRefine(({ consentGuard, extensions }, context) => {
    if (consentGuard === "always" && extensions === "off") {
      context.addIssue({ code: "custom", path: ["consentGuard"], message: "needs extensions: on" });
    }
  });

/** Parsed settings, with a value for each. */
export type AltcraftSettings = z.output<typeof altcraftOptions>;

/** The real Altcraft. */
export interface Upstream extends Pick<AltcraftClientOptions, "baseUrl" | "token" | "fetch" | "timeoutMs" | "retry"> {}

/** Settings of `createAltcraft`; all are optional. */
export type AltcraftOptions = z.input<typeof altcraftOptions> & {
  /** Connection to the real Altcraft. Replaces `upstreamUrl` and `upstreamToken`, and may have its own `fetch`. */
  upstream?: Upstream | undefined;
};

/**
 * Parses the options and fills in the defaults.
 *
 * @throws `bad_setting` that names an invalid option
 */
export function readOptions({ upstream, ...options }: AltcraftOptions): {
  settings: AltcraftSettings;
  upstream: Upstream | undefined;
} {
  const settings = readVendorOptions("altcraft", altcraftOptions, {
    ...options,
    ...(upstream && { upstreamUrl: upstream.baseUrl, upstreamToken: upstream.token }),
  });
  const { upstreamUrl: baseUrl, upstreamToken: token } = settings;
  if (baseUrl === undefined || token === undefined) return { settings, upstream: undefined };
  return { settings, upstream: { ...upstream, baseUrl, token } };
}
