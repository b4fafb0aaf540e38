import { ownText } from "@reinstate/batch-core";
import { parseInput, readItemText } from "@reinstate/batch-core/http";
import * as z from "zod";
import { invalidInput } from "../invalid-input.ts";
import { renderFind } from "../pages/find.ts";
import { answer, listChoices, type Routes, type Site, toView } from "../site.ts";

const findQuery = z.object({
  operation: z.string().optional(),
  item: ownText(2000).optional(),
  account: ownText().optional(),
  batch: z
    .string()
    .regex(/^\d{0,15}$/, "must be the number of a batch")
    .optional(),
});

/** Batches that are shown at most. */
const maxFound = 20;

/** Adds the search for one item. */
export function addFind(site: Site, routes: Routes): void {
  routes.get("/find", async (c) => {
    const query = parseInput(findQuery, c.req.query());
    const operations = listChoices(site);
    const found = query.item?.trim() ? await find(query.item.trim()) : undefined;
    return answer(c, renderFind(toView(site, c), { operations, query, found }));

    async function find(text: string) {
      const choice = operations.find(({ value }) => value === query.operation);
      if (!choice) throw invalidInput("operation", "is not known here; choose one of the list");
      const { name: operation, target } = choice;
      return site.host.batches.findItem({
        operation,
        target,
        item: readItemText(text),
        limit: maxFound,
        ...(query.account && { account: query.account }),
        ...(query.batch && { batch: Number(query.batch) }),
      });
    }
  });
}
