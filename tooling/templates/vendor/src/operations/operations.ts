import { type AnyOperation, defineFlagOperation, type Host } from "@reinstate/batch-core";
import * as z from "zod";
import { notFoundText, unchangedCodes } from "../widgets/rules.ts";
import { widgetId } from "../schemas.ts";
import type { WidgetStore } from "../store/store.ts";

export type Verb = keyof typeof unchangedCodes;

export const operationNames = {
  restore: "acme.widgets.restore",
  delete: "acme.widgets.delete",
} as const satisfies Record<Verb, string>;

/** Restore and delete as operations on ids, carried out in the ledger's own database: exactly once. */
export function createOperations(host: Host, { flags }: WidgetStore): AnyOperation[] {
  // FILL: further verbs, and the params of each.
  return (["restore", "delete"] as const).map((verb) =>
    defineFlagOperation({
      name: operationNames[verb],
      label: `widget/${verb}`,
      item: widgetId,
      columns: ["widget_id"],
      params: z.strictObject({}),
      opposite: { operation: operationNames[verb === "restore" ? "delete" : "restore"], params: () => ({}) },
      clock: host.clock,
      change: ({ account, items, batchId, transaction }, now) =>
        verb === "restore"
          ? flags.clear(account, items, now, transaction)
          : flags.set(account, items, now, transaction, batchId),
      unchanged: unchangedCodes[verb],
      notFound: notFoundText,
    }),
  );
}
