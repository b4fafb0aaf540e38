import * as z from "zod";
import { noteText } from "../batch/event.ts";
import { integerText } from "../intake/integer-text.ts";
import { readJson } from "../text/json-text.ts";
import { ownText } from "../text/own-text.ts";
import { mostItems } from "./v1-limits.ts";

/** Items that must be settled before a stop rule can end a batch, if the request does not set it. */
export const settledFirst = 100;

/** The way out for a body that is too large. */
export const streaming =
  "any number of items can be streamed: POST /v1/batches?operation=… with application/x-ndjson or text/csv as the body";

const rate = z.number().min(0).max(1);
const count = z.int().min(0);

const head = {
  operation: ownText(),
  target: z.enum(["local", "upstream"]).default("local"),
  account: ownText().default(""),
  /** The reason, for the history of the batch. */
  note: noteText.optional(),
  /** The digest of everything that makes the batch, as `Submission.content` says. A second batch with it is rejected. */
  content: ownText().optional(),
};

/** Reports whether a value is a JSON object. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The JSON body of `POST /v1/batches`. */
export const newBatch = z.strictObject({
  ...head,
  /** Validated by the operation's own schema alone, because a record would ignore the key `__proto__`. */
  params: z.custom<Record<string, unknown>>(isObject, "must be an object").default({}),
  /** Performance: an array of zod copies every item at once. */
  items: z
    .custom<unknown[]>(Array.isArray, "must be a list")
    .refine((items) => items.length <= mostItems, `must have at most ${mostItems} items; ${streaming}`)
    .optional(),
  /** Instead of items. Validated like params. */
  filter: z.unknown().optional(),
  dry_run: z.boolean().default(false),
  /** Accepts the batch as `stopped`. `POST /v1/batches/{id}/resume` starts it. */
  prepared: z.boolean().default(false),
  /** Accepts the batch although another one has its content. */
  again: z.boolean().default(false),
  stop_rule: z.strictObject({ max_failure_rate: rate, after: count.default(settledFirst) }).optional(),
});

const numberText = z
  .string()
  .regex(/^\d+(\.\d+)?$/, "must be a number")
  .transform(Number);

const flagText = z.enum(["true", "false"], { error: "must be true or false" }).transform((text) => text === "true");

/** The query of `POST /v1/batches` where the body is a stream of items. */
export const streamQuery = z.strictObject({
  ...head,
  params: z
    .string()
    .transform((text, { issues }) => {
      const read = readJson(text);
      if (read.fault === undefined) return read.value;
      issues.push({ code: "custom", message: `is not JSON: ${read.fault}`, input: text });
      return z.NEVER;
    })
    .optional(),
  dry_run: z.boolean().default(false),
  prepared: flagText.default(false),
  again: flagText.default(false),
  max_failure_rate: numberText.pipe(rate).optional(),
  after: integerText.pipe(count).optional(),
  column: ownText().min(1).optional(),
});
