import { X509Certificate } from "node:crypto";
import {
  givenTogether,
  headerSecret,
  httpBaseUrl,
  readableFile,
  readVendorOptions,
  timeZoneName,
  toMessage,
  wholeNumber,
} from "@reinstate/batch-core";
import * as z from "zod";
import { dialectNames } from "./http/reply-dialects.ts";
import { parseOfficeHours } from "./office-hours/office-hours.ts";
import { parseMariadbUrl } from "./store/mariadb/connect.ts";

const whole = (standard: number, most: number) => wholeNumber({ least: 1, most }).default(standard);

const hours = z.string().refine((text) => parseOfficeHours(text) !== undefined, {
  error: 'must be "any", "inside HH:MM-HH:MM DAYS" or "outside HH:MM-HH:MM DAYS" with days like mon-fri',
});

const checkCertificateFile = readableFile((content) => void new X509Certificate(content));

const mysqlUrl = z.string().superRefine((url, context) => {
  try {
    parseMariadbUrl(url);
  } catch (error) {
    context.addIssue(toMessage(error));
  }
});

const choices = z.strictObject({
  /** The real VICIdial database, `mysql://user:password@host:3306/asterisk`. Without it: demo tables in the host's database. */
  url: mysqlUrl.optional(),
  /** The maximum number of leads per request: at most 500, which move under one lock. The message of the error always says 500. */
  leadLimit: whole(500, 500),
  /** When dearchive is allowed: `any`, `inside HH:MM-HH:MM DAYS` or `outside HH:MM-HH:MM DAYS`. */
  dearchiveHours: hours.default("any"),
  /**
   * When archive is allowed, in the same form.
   *
   * @defaultValue `any`, or `outside` with a `callTime`
   */
  archiveHours: hours.optional(),
  /** The id of a `vicidial_call_times` row, whose hours and holidays the policies `inside` and `outside` use. */
  callTime: z.string().min(1).optional(),
  /** The dialect at `/vicidial/leads/…`. The option `dialect` of a key overrides it. */
  dialect: z.enum(dialectNames).default("current"),
  /** The dialect at `/vicidial/lead/…`. */
  legacyDialect: z.enum(dialectNames).default("L2"),
  /** The count in the reply "lead_ids does not exist" of the current dialect. */
  missingCount: z.enum(["both", "lead_errors", "lead_count"]).default("both"),
  /** The maximum size of a body in bytes; a larger one gets 413, a compressed one 415. */
  bodyLimit: whole(1024 * 1024, 1024 ** 3),
  /** The maximum number of leads under one lock. API calls and chunks with `all_or_nothing` always use one lock. */
  leadsPerLock: whole(500, 500),
  /** Seconds to wait for a lock of the real tables. */
  lockWaitSeconds: whole(3, 3600),
  /** Days for which the before-images of moved rows are stored. */
  journalDays: whole(7, 36_500),
  /**
   * The name of the VICIdial database in the journal. If the host name changes, set the former name so that unfinished moves are
   * recovered.
   *
   * @defaultValue host, port and schema as the server reports them
   */
  site: z.string().min(1).max(200).optional(),
  /** The URL of a real TForge endpoint without `/vicidial`, for batches with the target `upstream`. */
  upstreamUrl: httpBaseUrl.optional(),
  /** The API key of the real TForge endpoint. */
  upstreamKey: headerSecret.optional(),
  /** The path of a CA file, for an endpoint with a private certificate. */
  upstreamCa: z.string().min(1).optional(),
  /**
   * Returns the address of a caller, which VICIdial's own call checks against address lists. Needed behind a proxy, and with
   * servers other than `@hono/node-server`. `env` is what the server passes with the request.
   */
  address: z
    .custom<(request: Request, env: unknown) => string | undefined>((value) => typeof value === "function", {
      error: "must be a function",
    })
    .optional(),
  /** The zone of the office hours; in the gateway it is `REINSTATE_TIME_ZONE`. */
  timeZone: timeZoneName.default("UTC"),
});

/** Checks options that depend on each other. */
const checks = [
  givenTogether("upstreamUrl", "upstreamKey"),
  ({ value, issues }: z.core.ParsePayload<VicidialSettings>): void => {
    const { url, callTime, dearchiveHours, archiveHours, upstreamUrl, upstreamCa } = value;
    const reject = (path: string, message: string) =>
      issues.push({ code: "custom", path: [path], input: value, message });
    if (callTime !== undefined && url === undefined) reject("callTime", "needs the url of a VICIdial database");
    for (const [name, policy] of Object.entries({ dearchiveHours, archiveHours })) {
      if (/^\s*(in|out)side\s*$/i.test(policy ?? "") && callTime === undefined)
        reject(name, "needs hours, or a callTime");
    }
    if (upstreamCa === undefined) return;
    if (upstreamUrl === undefined) reject("upstreamCa", "needs an upstreamUrl");
    const fault = checkCertificateFile(upstreamCa);
    if (fault !== undefined) reject("upstreamCa", fault);
  },
] as const;

/** The options of `createVicidial` with their defaults. Every value may be a string. */
export const vicidialOptions = choices.check(...checks);

/** The settings of the gateway. The time zone is its own setting, and a function cannot be one. */
export const vicidialSettings = choices.omit({ timeZone: true, address: true }).check(...checks);
/** Settings with every default filled in. */
export type VicidialSettings = Omit<z.output<typeof choices>, "timeZone" | "address">;

/** Options of a caller, all of them optional. */
export type VicidialOptions = z.input<typeof choices>;

/** Options with every default filled in. */
export type Options = z.output<typeof choices>;

/**
 * Validates options and fills in the defaults.
 *
 * @throws ReinstateError `bad_setting`, which names the option and never shows its value.
 */
export const readOptions = (options: VicidialOptions): Options =>
  readVendorOptions("vicidial", vicidialOptions, options);
