import type { MiddlewareHandler } from "hono";
import type { Admission } from "../admission/admission.ts";

/** Middleware that admits calls within the limits of the process and releases their places after the response. */
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
