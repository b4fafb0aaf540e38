import type { Intake } from "./validate-items.ts";

/** Where valid items go while they arrive: each is kept once. */
export interface Sink<Item> {
  add(item: Item): void;
  /** No more will come. What it answers can be used until `close`. */
  finish(): Promise<Omit<Intake, "close">>;
  /** Lets go of everything. */
  close(): void;
}
