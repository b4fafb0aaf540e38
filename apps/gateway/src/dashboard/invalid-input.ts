import { ReinstateError } from "@reinstate/batch-core";

/** Returns the error for one field of a form that is wrong. */
export const invalidInput = (path: string, message: string): ReinstateError =>
  new ReinstateError("invalid_request", `${path}: ${message}`, { issues: [{ path, message }] });
