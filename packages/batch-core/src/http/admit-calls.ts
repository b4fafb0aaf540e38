import type { MiddlewareHandler } from "hono";
import type { Admission } from "../admission/admission.ts";

/** Lets calls in within the limits of the process, and gives their places back when they are answered. */
export function admitCalls(admission: Admission): MiddlewareHandler {
  return async (c, next) => {
    const leave = admission.enter(c.req.raw, c.env);
    try {
      await next();
    } finally {
      leave();
    }
  };
}
