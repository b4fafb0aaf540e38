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
    /** The HTTP status of an error: its code, or 200 with the code in the body alone. */
    httpStatus: z.enum(["follow_error", "always_200"]).default("follow_error"),
    /** Error text for a missing token. */
    tokenRequiredText: z.string().min(1).default("API token required"),
    unknownTokenError: code(401),
    forbiddenError: code(403),
    badRequestError: code(400),
    notFoundError: code(404),
    /** undelete of a live subscription, delete of a deleted one. */
    unchanged: z.enum(["success", "error"]).default("success"),
    /** Whether `set` on a deleted subscription brings it back, or edits it and leaves it deleted. */
    setRevives: z.enum(["yes", "no"]).default("yes"),
    /** `set` with a profile that is not known. */
    unknownProfile: z.enum(["fail", "create"]).default("fail"),
    /** Deleted subscriptions in `get`, `list` and `list_all`. */
    deletedInReads: z.enum(["hidden", "shown"]).default("hidden"),
    /** Deleted subscriptions in `suspend_all` and `unsuspend_all`. */
    suspendDeleted: z.enum(["skip", "include"]).default("skip"),
    /** `suspend_all` and `unsuspend_all` with neither channel nor resource. */
    suspendWithoutFilter: z.enum(["whole_database", "refuse"]).default("whole_database"),
    /** Whether a repeated `Request-ID` gets the first reply again. */
    deduplication: z.enum(["request_id", "off"]).default("request_id"),
    /** How long a reply is kept for that, in seconds. */
    deduplicationSeconds: wholeNumber({ least: 1, most: 315_360_000 }).default(86_400),
    /** `"data": null` in the reply of delete, as in that of undelete. */
    deleteReplyData: z.enum(["null", "none"]).default("null"),
    /** `data` in the reply of an error. */
    errorReplyData: z.enum(["none", "null"]).default("none"),
    /** E-mail addresses compared without regard to case and to white space around them, or character by character. */
    emailComparison: z.enum(["ignore_case", "exact"]).default("ignore_case"),
    /** Phones compared without spaces, dashes and brackets, or character by character. */
    phoneComparison: z.enum(["ignore_punctuation", "exact"]).default("ignore_punctuation"),
    /** Parameters that a method does not have, such as `skip_triggers` on delete. */
    unknownParameters: z.enum(["ignored", "refused"]).default("ignored"),
    /** How long after its delete a subscription can be brought back, in days. */
    retentionDays: z
      .union([z.literal("forever"), wholeNumber({ least: 1, most: 36_500 })], {
        error: "must be forever, or a whole number from 1 to 36500",
      })
      .default("forever"),
    /** The format of a reply where `format` is not given. */
    defaultFormat: z.enum(["follow_request", "json", "xml"]).default("follow_request"),
    jsonContentType: z.string().min(1).default("application/json"),
    xmlContentType: z.string().min(1).default("application/xml"),
    xmlDeclaration: z.enum(["no", "yes"]).default("no"),
    /** Bytes of a JSON body at most. */
    jsonBodyLimit: bytes(10 * 1024 * 1024),
    /** Bytes of an XML body at most. */
    xmlBodyLimit: bytes(64 * 1024),
    /** Bytes of the XML body of `undelete_batch` at most. */
    xmlBatchBodyLimit: bytes(8 * 1024 * 1024),
    /** The real Altcraft, for batches with the target `upstream`: what stands before its methods, as `https://example.com/api/v1.1`. */
    upstreamUrl: httpBaseUrl.optional(),
    upstreamToken: headerSecret.optional(),
    /** Calls of the real Altcraft at once. */
    upstreamConcurrency: wholeNumber({ least: 1, most: 100 }).default(4),
    /** Calls of the real Altcraft per second. */
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
