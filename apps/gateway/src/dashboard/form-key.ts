import { randomUUID } from "node:crypto";

/** Returns a new key for a form, by which repeats of the form are recognized. */
export const newFormKey = (): string => randomUUID();
