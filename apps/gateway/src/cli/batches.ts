import { wholeNumber } from "@reinstate/batch-core";
import { vendors } from "../all-vendors.ts";
import { settings, withVendors } from "./context.ts";
import { wrongUse } from "./terminal/failure.ts";
import { print } from "./terminal/output.ts";

const dayMs = 86_400_000;

/** Deletes batches that ended long ago, or counts them. */
export async function pruneBatches(options: { olderThan?: string; dryRun?: boolean; json?: boolean }): Promise<void> {
  const days = wholeNumber({ least: 0, most: 36_500 })
    .optional()
    .safeParse(options.olderThan ?? settings().keepBatchesDays);
  if (!days.success) throw wrongUse(`--older-than ${days.error.issues[0]?.message}`);
  if (days.data === undefined) throw wrongUse("Name the days: --older-than 90, or set REINSTATE_KEEP_BATCHES_DAYS");
  const before = Date.now() - days.data * dayMs;
  const { dryRun = false } = options;
  const pruned = await withVendors(vendors, (host) => host.batches.prune({ before, dryRun }));
  const verb = dryRun ? "would be pruned" : "pruned";
  print(options.json ? JSON.stringify(pruned) : `${pruned.batches} batches with ${pruned.items} items ${verb}`);
}
