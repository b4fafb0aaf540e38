import * as z from "zod";
import type { Dialect, Reason } from "./dialects.ts";
import type { Verb } from "./store.ts";

const count = z.int().min(0);

/** Schemas of every reply that a dialect has for a verb, by HTTP status: strict, every field is there. */
export function replySchemas(dialect: Dialect, verb: Verb): Record<number, z.ZodType> {
  const byStatus = new Map<number, z.ZodType[]>();
  const add = (status: number, schema: z.ZodType) => byStatus.set(status, [...(byStatus.get(status) ?? []), schema]);
  for (const reason of Object.keys(dialect.statuses) as Reason[]) {
    if (reason === "processed" || (reason === "update_leads" && verb === "dearchive")) continue;
    const status = dialect.statuses[reason];
    add(status, errorSchema(dialect, reason, status));
  }
  for (const status of unlistedStatuses) add(status, errorSchema(dialect, "other", status));
  add(dialect.statuses.processed, successSchema(dialect, verb));
  return Object.fromEntries([...byStatus].map(([status, schemas]) => [status, z.union(schemas)]));
}

/** Statuses that HTTP adds to every dialect, for its "other": path, method, body too large, body encoded, throttled, unavailable. */
const unlistedStatuses = [404, 405, 413, 415, 429, 503];

function successSchema({ successKey, messages, codeKey, statuses }: Dialect, verb: Verb): z.ZodType {
  return z.strictObject({
    [successKey]: z.literal(messages.processed),
    select_count: count,
    insert_count: count,
    ...(verb === "archive" && { update_count: count }),
    delete_count: count,
    ...(codeKey !== undefined && { [codeKey]: z.literal(statuses.processed) }),
  });
}

function errorSchema(dialect: Dialect, reason: Exclude<Reason, "processed">, status: number): z.ZodType {
  const { errorKey, messages, codeKey, lists } = dialect;
  const list = lists[reason];
  return z.strictObject({
    [errorKey]: reason === "other" ? z.string().min(1) : z.literal(messages[reason]),
    ...(list && { ...Object.fromEntries(list.counts.map((name) => [name, count])), [list.ids]: z.array(z.unknown()) }),
    ...(codeKey !== undefined && { [codeKey]: z.literal(status) }),
  });
}
