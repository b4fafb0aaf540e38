import type { OutcomeWord } from "@reinstate/batch-core";

/** The outcomes of an item. Performance: the list of the core would load the core before the first line of output. */
export const outcomes = ["done", "skipped", "failed", "unknown"] as const satisfies readonly OutcomeWord[];
