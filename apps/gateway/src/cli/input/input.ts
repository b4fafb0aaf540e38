import type { ItemStream } from "../../items/item-stream.ts";

/** The items of a command, as `/v1` takes them. */
export interface Input extends ItemStream {
  /** The name for the output: `leads.csv`, `standard input`, `--ids`. */
  name: string;
  /** Size in bytes, if it is known. */
  size: number | undefined;
  /** Returns the SHA-256 of the items as they are written, in hexadecimal digits. */
  digest(): Promise<string>;
  /** Frees what was stored for it. */
  close(): void;
}
