import type { ApiAnswer, Json } from "@reinstate/batch-core/openapi";
import * as z from "zod";
import type { ReplyDialect } from "./reply-dialects.ts";

/** The header of replies that ask for a later repeat. */
export const retryLater = { "Retry-After": z.int().describe("Seconds") };

/** Faults with statuses of HTTP itself: the cause, and an example of the message. */
export const httpFaults = {
  "413": ["The body is larger than the limit.", "The request body is larger than 1048576 bytes"],
  "415": ["The body is compressed.", "The request body is compressed; send it without Content-Encoding"],
  "429": [
    "The key has too many calls in progress, or the address sent too many wrong keys.",
    "Too many requests of this key at once; try again",
  ],
  "503": [
    "A database cannot be reached or is full, or the server has too many calls in progress.",
    "A database or server cannot be reached",
  ],
} as const;

/** Returns the replies to these faults in the shape of a dialect's error. */
export function toHttpErrors({ errorKey, codeKey, lists }: ReplyDialect, schema: Json): Record<string, ApiAnswer> {
  const list = lists.other;
  return Object.fromEntries(
    Object.entries(httpFaults).map(([status, [description, message]]): [string, ApiAnswer] => [
      status,
      {
        description,
        ...((status === "429" || status === "503") && { headers: retryLater }),
        body: {
          schema,
          examples: {
            error: {
              [errorKey]: message,
              ...Object.fromEntries((list?.counts ?? []).map((name) => [name, 0])),
              ...(list && { [list.ids]: [] }),
              ...(codeKey !== undefined && { [codeKey]: Number(status) }),
            },
          },
        },
      },
    ]),
  );
}
