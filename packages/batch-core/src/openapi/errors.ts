import type * as z from "zod";
import type { ApiAnswer } from "./document.ts";
import type { Json } from "./schemas.ts";

/** One error of an API's table: its status, and its body or null where it has none. */
export interface ErrorAnswer {
  status: number;
  body: unknown;
  /** When a call ends with it, as a sentence. */
  cause?: string;
}

/**
 * The answers to the errors that a call can end with, by status, for `ApiRoute.answers`. Errors with one status are one
 * answer with an example of each; it is kept in `shared` under their names, for `ApiDescription.answers`.
 *
 * @example
 * const shared = {};
 * const answers = { ...success, ...writeErrors(errors, ["not_found", "unavailable"], { schema: errorBody, shared }) };
 */
export function writeErrors<Name extends string>(
  errors: Record<Name, ErrorAnswer>,
  names: readonly Name[],
  to: {
    schema: z.ZodType | Json;
    shared: Record<string, ApiAnswer>;
    mediaTypes?: readonly string[];
    headers?: Record<string, z.ZodType | Json>;
  },
): Record<string, string> {
  const byStatus = Map.groupBy(new Set(names), (name) => errors[name].status);
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => {
      const key = those.join(".");
      to.shared[key] = writeError(status, those, errors, to);
      return [String(status), key];
    }),
  );
}

/** Returns the causes of errors: a sentence, or a list with the name of each error if there are several. */
function describeErrors<Name extends string>(names: readonly Name[], errors: Record<Name, ErrorAnswer>): string {
  const [first] = names;
  if (first !== undefined && names.length === 1) return errors[first].cause ?? first.replaceAll("_", " ");
  return names
    .map((name) => {
      const { cause } = errors[name];
      return cause === undefined ? `- \`${name}\`` : `- \`${name}\`: ${cause}`;
    })
    .join("\n");
}

function writeError<Name extends string>(
  status: number,
  names: readonly Name[],
  errors: Record<Name, ErrorAnswer>,
  { schema, mediaTypes, headers = {} }: Parameters<typeof writeErrors>[2],
): ApiAnswer {
  const description = describeErrors(names, errors);
  const bodies = names.filter((name) => errors[name].body !== null);
  const retryAfter = { "Retry-After": { schema: { type: "integer" }, description: "Seconds" } };
  const examples = Object.fromEntries(bodies.map((name) => [name, errors[name].body]));
  return {
    description: bodies.length === 0 ? `${description}: without a body` : description,
    headers: { ...headers, ...((status === 429 || status === 503) && retryAfter) },
    ...(bodies.length > 0 && { body: { schema, examples, ...(mediaTypes && { mediaTypes }) } }),
  };
}
