// Schemas of the fields from which requests and replies are made. The entry point does not export them.

import * as z from "zod";

/** Schema of a text that every database and every XML document can hold. `longest`: its maximum length in characters. */
export const text = (longest: number) =>
  z
    .string()
    .min(1, "must not be empty")
    // Ends the check, so that no pattern runs on a text of any length.
    .max(longest, { error: `must not be longer than ${longest} characters`, abort: true })
    .refine((value) => value.isWellFormed() && !value.includes("\0"), "must be Unicode text without NUL");

export const id = z.int().min(1, "must be at least 1");

/** A name that is also the name of an XML element, so that both formats can carry it. */
const fieldName = /^[A-Za-z_][\w.-]{0,127}$/;
const isFieldName = (name: string) => fieldName.test(name) && name !== "__proto__";

/** Limits of fields together: number of values, nesting depth, and characters as JSON. */
export const fieldLimits = { values: 1000, depth: 12, characters: 65_536 };

export interface Fault {
  path: string[];
  message: string;
}

/** Returns the first fault of fields, at any depth; undefined if there is none. */
function findFault(fields: object): Fault | undefined {
  let values = 0;
  function walk(value: unknown, path: string[]): Fault | undefined {
    if (typeof value === "number" && !Number.isFinite(value)) return { path, message: "must be a finite number" };
    if (typeof value !== "object" || value === null) return undefined;
    if (path.length >= fieldLimits.depth) return { path: [], message: "is nested too deep" };
    for (const [name, inner] of Object.entries(value)) {
      if (++values > fieldLimits.values) {
        return { path: [], message: `must not hold more than ${fieldLimits.values} values` };
      }
      const at = [...path, name];
      if (!Array.isArray(value) && !isFieldName(name)) return { path: at, message: "is not a field name" };
      const fault = walk(inner, at);
      if (fault) return fault;
    }
    return undefined;
  }
  return walk(fields, []) ?? (areTooLong(fields) ? { path: [], message: tooLong } : undefined);
}

export const tooLong = `must not be longer than ${fieldLimits.characters} characters as JSON`;
export const areTooLong = (fields: object) => JSON.stringify(fields).length > fieldLimits.characters;

/** Schema of fields of any type by name. Checks them before zod copies them, because zod drops `__proto__` silently. */
export const fields = z.preprocess(
  (given, context) => {
    const fault = typeof given === "object" && given !== null ? findFault(given) : undefined;
    if (fault) context.issues.push({ code: "custom", input: given, ...fault });
    return given;
  },
  z.record(z.string().regex(fieldName), z.unknown()),
);

export const emailAddress = text(320).regex(/^\s*[^\s@]+@[^\s@]+\s*$/, "is not an e-mail address");
export const phoneNumber = text(64).regex(/^\s*\+?[\s()-]*\d[\d\s()-]*$/, "is not a phone number");

/** Fields that name a database, a resource and a profile. */
export const place = {
  db_id: id,
  resource_id: id,
  profile_id: text(64).regex(/^\S+$/, "must not hold white space"),
};

export const chatId = z.int();

/** Field of methods that support a dry run, which changes nothing. */
export const dryRunField = { dry_run: z.boolean().optional() };

/** Schema of a cursor: `next_from_id` of the previous page; absent or empty for the first page. */
export const fromId = z.string().max(2048).optional();

/** Largest number of records in a page. */
export const mostPageItems = 10_000;
export const pageLimit = z
  .int()
  .min(1, "must be at least 1")
  .max(mostPageItems, `must not be more than ${mostPageItems}`)
  .default(1000);

/** Schema of a list in a reply. An absent list is empty, because XML cannot distinguish the two. */
export const listSchema = <Item extends z.ZodType>(item: Item) => z.preprocess((given) => given ?? [], z.array(item));
