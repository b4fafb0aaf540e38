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
import { dialectNames } from "./http/dialects.ts";
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
  /** Leads per request; the message of the refusal says 500 whatever it is. */
  leadLimit: whole(500, 1_000_000),
  /** When dearchive is allowed: `any`, `inside HH:MM-HH:MM DAYS` or `outside HH:MM-HH:MM DAYS`. */
  dearchiveHours: hours.default("any"),
  /** The same for archive; with a `callTime` the default is `outside`. */
  archiveHours: hours.optional(),
  /** The id of a call time of VICIdial, whose hours the policies `inside` and `outside` are about. */
  callTime: z.string().min(1).optional(),
  /** What answers at `/vicidial/leads/…`. A key's own option `dialect` goes before it. */
  dialect: z.enum(dialectNames).default("current"),
  /** What answers at `/vicidial/lead/…`. */
  legacyDialect: z.enum(dialectNames).default("L2"),
  /** Which count stands in the answer "lead_ids does not exist" of the current dialect. */
  missingCount: z.enum(["both", "lead_errors", "lead_count"]).default("both"),
  /** Bytes of a body at most. */
  bodyLimit: whole(1024 * 1024, 1024 ** 3),
  /** Leads under one lock at most. A call of the API, and a chunk with `all_or_nothing`, is under one lock whatever this says. */
  leadsPerLock: whole(500, 500),
  /** Seconds to wait for a lock of the real tables. */
  lockWaitSeconds: whole(3, 3600),
  /** Days for which the images of moved rows are kept. */
  journalDays: whole(7, 36_500),
  /**
   * The name under which the images of this database's leads are kept. By itself host, port and database as the server tells
   * them; where these have changed, or will, the same name lets unfinished moves be found again.
   */
  site: z.string().min(1).max(200).optional(),
  /** A real TForge endpoint, for batches with the target `upstream`: what stands before `/vicidial`. Needs `upstreamKey`. */
  upstreamUrl: httpBaseUrl.optional(),
  upstreamKey: headerSecret.optional(),
  /** The path of a CA file, where the endpoint has a certificate of its own. */
  upstreamCa: z.string().min(1).optional(),
  /**
   * Where a call comes from, for the lists of addresses that VICIdial's own call is held against: where the server is none of
   * `@hono/node-server`, or stands behind a proxy. `env` is what the server hands over beside the request.
   */
  address: z
    .custom<(request: Request, env: unknown) => string | undefined>((value) => typeof value === "function", {
      error: "must be a function",
    })
    .optional(),
  /** IANA zone of the office hours. */
  timeZone: timeZoneName.default("UTC"),
});

/** Checks options that each are right by themselves. */
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

/** What the documents leave open and what a site may set, each with its default. Every value may be given as a string. */
export const vicidialOptions = choices.check(...checks);

/** What the gateway sets; the time zone is one of its own settings, and a function is none. */
export const vicidialSettings = choices.omit({ timeZone: true, address: true }).check(...checks);
export type VicidialSettings = Omit<z.output<typeof choices>, "timeZone" | "address">;

/** Options as a caller gives them: all of them may be left out. */
export type VicidialOptions = z.input<typeof choices>;

/** Options with every default filled in. */
export type Options = z.output<typeof choices>;

/** Fills in the defaults. Throws `bad_setting` that names the option, never with its value. */
export const readOptions = (given: VicidialOptions): Options => readVendorOptions("vicidial", vicidialOptions, given);
