import { wholeNumber } from "@reinstate/batch-core";
import * as z from "zod";

// FILL: what the vendor does not document and a user may need to choose, each with its default. Every value may be a text.
export const acmeOptions = z.strictObject({
  /** Ids in one request at most. */
  idLimit: wholeNumber({ least: 1, most: 10_000 }).default(100),
  /** Bytes of a request's body at most. */
  bodyLimit: wholeNumber({ least: 1, most: 1024 ** 3 }).default(1024 * 1024),
});

/** Options as a caller passes them: all of them may be left out. */
export type AcmeOptions = z.input<typeof acmeOptions>;

/** Options with every default filled in. */
export type AcmeSettings = z.output<typeof acmeOptions>;
