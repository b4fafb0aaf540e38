import { type Batch, batchStatuses, ownText, ReinstateError } from "@reinstate/batch-core";
import { parseInput } from "@reinstate/batch-core/http";
import * as z from "zod";
import { emptyAsMissing } from "../empty-as-missing.ts";
import { invalidInput } from "../invalid-input.ts";
import { streamUpdates, toListState, watchList } from "../live.ts";
import { type BatchesFilter, renderBatches } from "../pages/batches.ts";
import { answer, listChoices, type Routes, redirect, type Site, toView } from "../site.ts";

const pageSize = 25;
/** Numbers that one statement searches. A filter that matches rarely must not read the whole table. */
const windowSize = 1000;
/** Statements that one page runs to find matches. */
const maxWindows = 4;

const number = z
  .string()
  .trim()
  .regex(/^[\d,]{1,15}$/, "must be the number of a batch");

const listQuery = z.object({
  number: emptyAsMissing(number.transform((text) => Number(text.replaceAll(",", "")))),
  status: emptyAsMissing(z.enum(batchStatuses)),
  operation: emptyAsMissing(ownText()),
  account: emptyAsMissing(ownText()),
  before: emptyAsMissing(
    z
      .string()
      .regex(/^\d{1,15}$/, "must be the number of a batch")
      .transform(Number),
  ),
});

interface Found {
  batches: Batch[];
  next: number | undefined;
  searchedTo: number | undefined;
}

/** Adds the list of batches. */
export function addBatches(site: Site, routes: Routes): void {
  const { host, readLive, links } = site;

  /** Finds a page of batches. The search is in windows of numbers, so that each statement reads a bounded number of rows. */
  async function find(filter: BatchesFilter): Promise<Found> {
    const conditions = {
      ...(filter.status && { statuses: [filter.status] }),
      ...(filter.operation && { operation: filter.operation }),
      ...(filter.account && { account: filter.account }),
    };
    const [newest] = await host.batches.list({ limit: 1 });
    let before = Math.min(filter.before ?? Number.MAX_SAFE_INTEGER, (newest?.id ?? 0) + 1);
    const batches: Batch[] = [];
    for (let windows = 0; windows < maxWindows && before > 1; windows++) {
      const after = Math.max(0, before - windowSize - 1);
      const limit = pageSize + 1 - batches.length;
      batches.push(...(await host.batches.list({ ...conditions, before, after, limit })));
      if (batches.length > pageSize)
        return { batches: batches.slice(0, pageSize), next: batches[pageSize - 1]?.id, searchedTo: undefined };
      before = after + 1;
    }
    const isOver = before <= 1;
    return { batches, next: isOver ? undefined : before, searchedTo: isOver ? undefined : before };
  }

  routes.get("/", (c) => redirect(site, c, "/batches"));

  routes.get("/batches", async (c) => {
    const { number, ...filter } = parseInput(listQuery, c.req.query());
    if (number !== undefined) {
      await host.batches.get(number).catch((error: unknown) => {
        // The form stays on the page. Any other error is no statement about the batch.
        throw ReinstateError.is(error, "unknown_batch") ? invalidInput("number", `there is no batch ${number}`) : error;
      });
      return redirect(site, c, `/batches/${number}`);
    }
    const found = await find(filter);
    const live =
      filter.before === undefined && found.batches.length > 0
        ? { events: links.path("/batches/events", { ...filter }), state: toListState(found.batches) }
        : undefined;
    return answer(c, renderBatches(toView(site, c), { ...found, filter, operations: listChoices(site), live }));
  });

  routes.get("/batches/events", (c) => {
    const { number: _, ...filter } = parseInput(listQuery, c.req.query());
    const name = `list ${JSON.stringify(filter)}`;
    const readNext = async () => (await readLive(name, () => find(filter))).batches;
    return streamUpdates(site, c, (signal) => watchList(host, readNext, signal));
  });
}
