/** The items of a command, as `/v1` takes them. */
export interface Input {
  /** The name for the output: `leads.csv`, `standard input`, `--ids`. */
  name: string;
  format: "csv" | "ndjson";
  /** A line of the stream is a line of the file, or an element of its JSON array. */
  unit: "line" | "element";
  source: AsyncIterable<Uint8Array>;
  /** Size in bytes, if it is known. */
  size: number | undefined;
  /** Returns the SHA-256 of the items as they are written, in hexadecimal digits. */
  digest(): Promise<string>;
  /** Frees what was stored for it. */
  close(): void;
}

/** The forms of a file: a table, one JSON value per line, or a JSON array. */
export const inputFormats = ["csv", "ndjson", "json"] as const;
export type InputFormat = (typeof inputFormats)[number];
