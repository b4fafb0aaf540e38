import {
  givenTogether,
  headerSecret,
  httpBaseUrl,
  httpUrl,
  ReinstateError,
  readJson,
  readVendorOptions,
  wholeNumber,
} from "@reinstate/batch-core";
import * as z from "zod";
import { type ErrorAnswer, type ErrorName, errorAnswers } from "./http/errors.ts";
import { parseSecret } from "./webhooks/signature.ts";

const whole = (fallback: number, least: number, most = 1_000_000) => wholeNumber({ least, most }).default(fallback);
const flag = (fallback: boolean) => z.union([z.boolean(), z.stringbool()]).default(fallback);

const json = z.string().transform((text, context) => {
  const read = readJson(text);
  if (read.fault === undefined) return read.value;
  context.addIssue("must be JSON");
  return z.NEVER;
});

const answer = z.strictObject({
  status: z.int().min(400).max(599),
  /** `code` is optional, because older responses have none: `{"message":"Unauthorized"}`. */
  body: z.looseObject({ message: z.string(), code: z.string().optional() }).nullable(),
  headers: z.record(z.string(), z.string()).optional(),
});

const names = Object.keys(errorAnswers) as [ErrorName, ...ErrorName[]];
const answers = z.partialRecord(z.enum(names), answer);

const choices = z.strictObject({
  /** A batch of at most this many ids finishes before the response is sent. Documented: 5. */
  syncLimit: whole(5, 0),
  /** The status in the first response to an asynchronous batch, whose counts are all 0. */
  firstStatus: z.enum(["pending", "in_progress"]).default("pending"),
  /** The campaign state that an archived promoter shows; `kept` shows the stored one. */
  archivedState: z.enum(["blocked", "inactive", "kept"]).default("blocked"),
  /** Whether `GET /promoters` omits archived promoters unless `filters[archived]` says otherwise. */
  hideArchived: flag(true),
  /** The batches that the two lists show without `filters[status]`. */
  listedBatches: z.enum(["unfinished", "all"]).default("unfinished"),
  /** The largest request body in bytes; a larger one is answered with 413. */
  bodyLimit: whole(1024 * 1024, 1, 1024 ** 3),
  /** Requests per minute and account, over all its keys; 0 means no limit. Documented: 400. */
  rateLimit: whole(400, 0),
  /** The start of every `ref_link`. */
  refLinkBase: httpUrl.default("https://example.com/"),
  /**
   * Replacements for rows of the error table, as an object or as JSON: `{"unknown_account":{"status":401,"body":null}}`.
   *
   * @defaultValue none
   */
  answers: z.union([answers, json.pipe(answers)]).default({}),
  /** Receives the end of every batch, signed as Standard Webhooks; needs `webhookSecret`. */
  webhookUrl: httpUrl.optional(),
  /** The secret of the webhooks: `whsec_` and 24 to 64 bytes in base64. */
  webhookSecret: z
    .string()
    .refine((secret) => parseSecret(secret) !== undefined, "must be whsec_ and 24 to 64 bytes in base64")
    .optional(),
});

const accountKeys = z
  .record(headerSecret, headerSecret, { error: "must be an object with a key for each account" })
  .refine((keys) => Object.keys(keys).length > 0, { error: "must hold the key of an account at least" });

/** Checks that either one account with its key is set, or the keys of several accounts. */
function checkUpstream(payload: z.core.ParsePayload<object>): void {
  const options = payload.value as Record<string, unknown>;
  const single = ["upstreamKey", "upstreamAccount"];
  const hasSeveral = options.upstreamKeys !== undefined;
  givenTogether("upstreamUrl", ...(hasSeveral ? ["upstreamKeys"] : single))(payload);
  for (const name of hasSeveral ? single : []) {
    if (options[name] === undefined) continue;
    payload.issues.push({
      code: "custom",
      path: [name],
      input: options,
      message: "must not be given with upstreamKeys",
    });
  }
}

const webhook = givenTogether("webhookUrl", "webhookSecret");

/**
 * Options for what FirstPromoter does not document, each with our default. Every value may be a string, so the same names serve
 * as settings of the gateway.
 */
export const firstPromoterOptions = choices.check(webhook);

/** The settings of the gateway: the options, and the real FirstPromoter for batches with the target `upstream`. */
export const firstPromoterSettings = choices
  .extend({
    /** The real FirstPromoter for batches with the target `upstream`: `https://api.firstpromoter.com/api/v2/company`. */
    upstreamUrl: httpBaseUrl.optional(),
    /** The API key of `upstreamAccount`. */
    upstreamKey: headerSecret.optional(),
    /** The account at the real FirstPromoter. */
    upstreamAccount: headerSecret.optional(),
    /** The keys of several accounts, instead of one key and account, as JSON: `{"acc_1":"…","acc_2":"…"}`. */
    upstreamKeys: json.pipe(accountKeys).optional(),
  })
  .check(webhook, checkUpstream);

/** The options of `createFirstPromoter`; all are optional. */
export type FirstPromoterOptions = z.input<typeof firstPromoterOptions> & {
  /** The real FirstPromoter, once for each account. */
  upstream?: Upstream | readonly Upstream[];
  /** Sends the webhooks. Default: the global `fetch`. */
  webhookFetch?: Fetch;
};

/** A function that sends a request, such as the global `fetch`. */
export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** Options with every default filled in. */
export type Options = Omit<z.output<typeof firstPromoterOptions>, "answers"> & {
  answers: Record<ErrorName, ErrorAnswer>;
};

/** Fills in the defaults. @throws `bad_setting` that names the option. */
export function readOptions({ upstream: _, webhookFetch: __, ...options }: FirstPromoterOptions): Options {
  const read = readVendorOptions("firstpromoter", firstPromoterOptions, options);
  return { ...read, answers: { ...errorAnswers, ...(read.answers as Partial<Options["answers"]>) } };
}

/** Returns the upstreams of all accounts. @throws `bad_setting` if two are for one account. */
export function readUpstreams({ upstream = [] }: FirstPromoterOptions): Upstream[] {
  const upstreams = [upstream].flat();
  const accounts = upstreams.map(({ accountId }) => accountId);
  const duplicate = accounts.find((account, index) => accounts.indexOf(account) !== index);
  if (duplicate === undefined) return upstreams;
  throw new ReinstateError("bad_setting", `vendor firstpromoter: upstream: account ${duplicate} is listed twice`);
}

/** The real FirstPromoter of one account, for batches with the target `upstream`. */
export interface Upstream {
  /** `https://api.firstpromoter.com/api/v2/company` */
  baseUrl: string;
  apiKey: string;
  accountId: string;
  /** Default: the global `fetch`. */
  fetch?: Fetch;
  /** Milliseconds until the full response must have arrived. Default 30,000. */
  timeoutMs?: number;
}
