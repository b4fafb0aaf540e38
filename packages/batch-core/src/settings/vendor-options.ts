import * as z from "zod";
import { ReinstateError } from "../errors/errors.ts";

/**
 * Fills in the defaults of a vendor's options.
 *
 * @throws ReinstateError `bad_setting`, one line that names the vendor and the option, never with its value.
 * @example const options = readVendorOptions("zendesk", zendeskOptions, given);
 */
export function readVendorOptions<Schema extends z.ZodType>(
  vendor: string,
  schema: Schema,
  given: z.input<Schema>,
): z.output<Schema> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues as [z.core.$ZodIssue];
  const [path, message] =
    issue.code === "unrecognized_keys"
      ? [[...issue.path, issue.keys[0]], "is not an option"]
      : [issue.path, issue.message];
  throw new ReinstateError("bad_setting", `vendor ${vendor}: ${path.join(".")}: ${message}`);
}

/**
 * Checks options that are given together or not at all. The first that is missing is reported.
 *
 * @example
 * const options = z.strictObject({ url: httpBaseUrl.optional(), token: headerSecret.optional() }).check(givenTogether("url", "token"));
 */
export const givenTogether =
  (...names: readonly string[]) =>
  ({ value, issues }: z.core.ParsePayload<object>): void => {
    const options = value as Record<string, unknown>;
    const present = names.find((name) => options[name] !== undefined);
    const missing = names.find((name) => options[name] === undefined);
    if (present === undefined || missing === undefined) return;
    issues.push({ code: "custom", path: [missing], input: value, message: `is required with ${present}` });
  };

/**
 * Accepts a secret or an account that is sent in a header: visible ASCII characters alone.
 *
 * @example z.strictObject({ upstreamKey: headerSecret.optional() })
 */
export const headerSecret = z.string().regex(/^[!-~]+$/, "must be visible ASCII characters");

/**
 * Accepts the name of a time zone, such as `Europe/Berlin`.
 *
 * @example z.strictObject({ timeZone: timeZoneName.default("UTC") })
 */
export const timeZoneName = z.string().refine(isTimeZone, "must be an IANA time zone, such as Europe/Berlin");

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
