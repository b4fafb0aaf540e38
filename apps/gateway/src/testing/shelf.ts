import { setTimeout as sleep } from "node:timers/promises";
import {
  defineOperation,
  defineVendor,
  type Outcome,
  type Vendor,
  type Work,
  wholeNumber,
} from "@reinstate/batch-core";
import * as z from "zod";

/** The only book whose outcome is unknown. */
export const unknownBook = 5555;

interface Params {
  notify: boolean;
  reason?: string | undefined;
}

const params = z.strictObject({
  notify: z.boolean().describe("Writes to the readers who wait for the book"),
  reason: z.string().max(200).optional().describe("Appears in the letter"),
});

/** Returns the outcome of a book. Lent books come back before the first retry. */
export function judgeBook(key: number, generation: number, isReal: boolean): Outcome {
  if (key % 100 === 7 && generation === 0)
    return { key, outcome: "failed", code: "lent_out", message: "The book is lent out" };
  if (key % 250 === 0) return { key, outcome: "failed", code: "not_found", message: `There is no book ${key}` };
  if (key % 40 === 3) return { key, outcome: "skipped", code: "on_shelf", message: "The book is on the shelf" };
  if (key === unknownBook && isReal && generation === 0) {
    return { key, outcome: "unknown", code: "no_answer", message: "The connection ended before the answer" };
  }
  return { key, outcome: "done" };
}

const judgeAll = ({ items, generation }: Work<number, Params>, isReal: boolean) =>
  items.map((key) => judgeBook(key, generation, isReal));

const defineBooks = (verb: "restore" | "archive", pauseMs: number) =>
  defineOperation<number, Params>({
    name: `shelf.books.${verb}`,
    label: `book/${verb}`,
    role: verb,
    item: z.int().min(1),
    params,
    columns: ["book_id"],
    key: (id) => id,
    chunkSize: 250,
    inlineLimit: 0,
    limits: { concurrency: 1 },
    effects: "elsewhere",
    repeatable: false,
    opposite: { operation: `shelf.books.${verb === "restore" ? "archive" : "restore"}`, params: (given) => given },
    async apply(work) {
      await sleep(pauseMs);
      return judgeAll(work, true);
    },
    reconcile: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
    preview: async (work) => judgeAll(work, false),
  });

/** An operation without a dry run. */
const relabel = defineOperation<number, Params>({
  name: "shelf.books.relabel",
  label: "book/relabel",
  item: z.int().min(1),
  params,
  key: (id) => id,
  chunkSize: 250,
  effects: "elsewhere",
  apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
});

/** A vendor that takes its time: a shelf of books, whose ids decide their outcomes. */
export const shelf: Vendor<{ pauseMs: number }> = defineVendor({
  name: "shelf",
  label: "The shelf",
  paths: ["/shelf"],
  settings: z.strictObject({ pauseMs: wholeNumber({ least: 0, most: 60_000 }).default(100) }),
  async create(host, { pauseMs }) {
    const operations = [defineBooks("restore", pauseMs), defineBooks("archive", pauseMs), relabel];
    host.register(...operations);
    return { operations, routes: { fetch: () => new Response(null, { status: 404 }) } };
  },
  demo: { keys: [], load: async () => {}, curl: () => "" },
});
