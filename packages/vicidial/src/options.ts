import { X509Certificate } from "node:crypto";
import { httpBaseUrl, messageOf, ReinstateError, readableFile, wholeNumber } from "@reinstate/batch-core";
import * as z from "zod";
import { dialectNames } from "./dialects.ts";
import { isTimeZone, parseOfficeHours } from "./office-hours.ts";
import { parseMariadbUrl } from "./stores/mariadb-connect.ts";

const whole = (standard: number, most: number) => wholeNumber({ least: 1, most }).default(standard);

const hours = z.string().refine((text) => parseOfficeHours(text) !== undefined, {
  error: 'must be "any", "inside HH:MM-HH:MM DAYS" or "outside HH:MM-HH:MM DAYS" with days like mon-fri',
});

const checkCertificateFile = readableFile((content) => void new X509Certificate(content));

const mysqlUrl = z.string().superRefine((url, context) => {
  try {
    parseMariadbUrl(url);
  } catch (error) {
    context.addIssue(messageOf(error));
  }
});

/** What the documents leave open and what a site may set, each with its default. Every value may be given as a string. */
export const vicidialOptions = z.strictObject({
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
  upstreamKey: z.string().min(1).optional(),
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
  timeZone: z.string().refine(isTimeZone, { error: "must be an IANA time zone" }).default("UTC"),
});

/** Options as a caller gives them: all of them may be left out. */
export type VicidialOptions = z.input<typeof vicidialOptions>;

/** Options with every default filled in. */
export type Options = z.output<typeof vicidialOptions>;

/** Fills in the defaults. Throws `bad_setting` that names the option, never with its value. */
export function readOptions(given: VicidialOptions): Options {
  const parsed = vicidialOptions.safeParse(given);
  const issue = parsed.success ? together(parsed.data) : parsed.error.issues[0];
  if (parsed.success && !issue) return parsed.data;
  throw new ReinstateError("bad_setting", `vicidial ${issue?.path.join(".")} ${issue?.message}`);
}

/** What is wrong about options that each are right by themselves. */
function together({
  url,
  callTime,
  dearchiveHours,
  archiveHours,
  upstreamUrl,
  upstreamKey,
  upstreamCa,
}: Partial<Options>): { path: string[]; message: string } | undefined {
  const wrong = (path: string, message: string) => ({ path: [path], message });
  if (callTime !== undefined && url === undefined) return wrong("callTime", "needs the url of a VICIdial database");
  for (const [name, policy] of Object.entries({ dearchiveHours, archiveHours })) {
    if (/^\s*(in|out)side\s*$/i.test(policy ?? "") && callTime === undefined) {
      return wrong(name, "needs hours, or a callTime");
    }
  }
  if (upstreamUrl === undefined && upstreamKey !== undefined) return wrong("upstreamKey", "needs an upstreamUrl");
  if (upstreamUrl !== undefined && upstreamKey === undefined) return wrong("upstreamUrl", "needs an upstreamKey");
  if (upstreamCa !== undefined && upstreamUrl === undefined) return wrong("upstreamCa", "needs an upstreamUrl");
  const fault = upstreamCa === undefined ? undefined : checkCertificateFile(upstreamCa);
  if (fault !== undefined) return wrong("upstreamCa", fault);
  return undefined;
}

/** What the gateway sets; the time zone is one of its own settings, and a function is none. */
export const vicidialSettings = vicidialOptions
  .omit({ timeZone: true, address: true })
  .superRefine((settings, context) => {
    const issue = together(settings);
    if (issue) context.addIssue({ code: "custom", ...issue });
  });
export type VicidialSettings = z.output<typeof vicidialSettings>;
