import * as z from "zod";

/** Makes a field of a form optional: a browser sends an empty text for a field that is not filled in. */
export const emptyAsMissing = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((value) => (value === "" ? undefined : value), schema.optional());
