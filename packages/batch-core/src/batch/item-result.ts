import type { OutcomeWord } from "../operation/operation.ts";

/** The outcome of an item, without the item. */
export interface ItemResult {
  outcome: OutcomeWord;
  code: string | null;
  message: string | null;
}

/** An outcome that differs from the common outcome of its chunk. `position` is the index of the item in the chunk. */
export interface OutcomeOverride extends ItemResult {
  position: number;
}
