import type { Intake } from "./validate-items.ts";

/** Stores distinct valid items while they arrive. */
export interface Sink<Item> {
  add(item: Item): void;
  /** Ends the input. The returned chunks stay readable until `close`. */
  finish(): Promise<Omit<Intake, "close">>;
  /** Frees all resources. */
  close(): void;
}
