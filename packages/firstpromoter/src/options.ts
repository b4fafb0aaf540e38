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
import { keyOfSecret } from "./webhooks/signature.ts";

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
  /** Without `code` as older answers are: `{"message":"Unauthorized"}`. */
  body: z.looseObject({ message: z.string(), code: z.string().optional() }).nullable(),
  headers: z.record(z.string(), z.string()).optional(),
});

const names = Object.keys(errorAnswers) as [ErrorName, ...ErrorName[]];
const answers = z.partialRecord(z.enum(names), answer);

const choices = z.strictObject({
  /** Up to so many ids a batch is finished before it is answered. Documented: 5. */
  syncLimit: whole(5, 0),
  /** The status that the first answer of an asynchronous batch shows. */
  firstStatus: z.enum(["pending", "in_progress"]).default("pending"),
  /** The campaign state that an archived promoter shows; `kept` shows the remembered one. */
  archivedState: z.enum(["blocked", "inactive", "kept"]).default("blocked"),
  /** Whether lists without `filters[archived]` leave archived promoters out. */
  hideArchived: flag(true),
  /** Which batches the two lists show without `filters[status]`. */
  listedBatches: z.enum(["unfinished", "all"]).default("unfinished"),
  /** Bytes of a request's body at most; a larger one is answered 413. */
  bodyLimit: whole(1024 * 1024, 1, 1024 ** 3),
  /** Requests per minute that an account may make, over all its keys; 0 for any number. Documented: 400. */
  rateLimit: whole(400, 0),
  /** What a promoter's `ref_link` begins with. */
  refLinkBase: httpUrl.default("https://example.com/"),
  /** Other answers for entries of the error table, as an object or as JSON: `{"unknown_account":{"status":401,"body":null}}`. */
  answers: z.union([answers, json.pipe(answers)]).default({}),
  /** Where the end of every batch is told, signed as Standard Webhooks; needs `webhookSecret`. */
  webhookUrl: httpUrl.optional(),
  /** `whsec_` and 24 to 64 bytes in base64. */
  webhookSecret: z
    .string()
    .refine((secret) => keyOfSecret(secret) !== undefined, "must be whsec_ and 24 to 64 bytes in base64")
    .optional(),
});

const accountKeys = z
  .record(headerSecret, headerSecret, { error: "must be an object with a key for each account" })
  .refine((keys) => Object.keys(keys).length > 0, { error: "must hold the key of an account at least" });

/** One account with its key, or the keys of several. */
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
 * What FirstPromoter publishes nowhere and somebody may need otherwise; each with the default that we chose. Every value
 * may be given as a string, so that the same names serve as settings of the gateway.
 */
export const firstPromoterOptions = choices.check(webhook);

/** The options as settings of the gateway, with the real FirstPromoter of batches with the target `upstream`. */
export const firstPromoterSettings = choices
  .extend({
    /** `https://api.firstpromoter.com/api/v2/company` */
    upstreamUrl: httpBaseUrl.optional(),
    upstreamKey: headerSecret.optional(),
    upstreamAccount: headerSecret.optional(),
    /** In place of the key and the account, for several accounts: their keys, as JSON: `{"acc_1":"…","acc_2":"…"}`. */
    upstreamKeys: json.pipe(accountKeys).optional(),
  })
  .check(webhook, checkUpstream);

/** Options as a caller gives them: all of them may be left out. */
export type FirstPromoterOptions = z.input<typeof firstPromoterOptions> & {
  /** One for each account. */
  upstream?: Upstream | readonly Upstream[];
  /** Sends the webhook's messages. Default: the global `fetch`. */
  webhookFetch?: Fetch;
};

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** Options with every default filled in. */
export type Options = Omit<z.output<typeof firstPromoterOptions>, "answers"> & {
  answers: Record<ErrorName, ErrorAnswer>;
};

/** Fills in the defaults. Throws `bad_setting` that names the option. */
export function readOptions({ upstream: _, webhookFetch: __, ...given }: FirstPromoterOptions): Options {
  const read = readVendorOptions("firstpromoter", firstPromoterOptions, given);
  return { ...read, answers: { ...errorAnswers, ...(read.answers as Partial<Options["answers"]>) } };
}

/** Returns the upstreams of all accounts. Throws `bad_setting` if two are for one account. */
export function readUpstreams({ upstream = [] }: FirstPromoterOptions): Upstream[] {
  const upstreams = [upstream].flat();
  const accounts = upstreams.map(({ accountId }) => accountId);
  const twice = accounts.find((account, index) => accounts.indexOf(account) !== index);
  if (twice === undefined) return upstreams;
  throw new ReinstateError("bad_setting", `vendor firstpromoter: upstream: the account ${twice} has two`);
}

/** The real FirstPromoter of one account, for batches with the target `upstream`. */
export interface Upstream {
  /** `https://api.firstpromoter.com/api/v2/company` */
  baseUrl: string;
  apiKey: string;
  accountId: string;
  /** Default: the global `fetch`. */
  fetch?: Fetch;
  /** Milliseconds until an answer must be there in full. Default 30,000. */
  timeoutMs?: number;
}
