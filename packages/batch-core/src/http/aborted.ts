import { ReinstateError } from "../errors/errors.ts";

/** The status that proxies log if the client closed its connection before the response. */
const clientClosedRequest = 499;

/**
 * Returns the response to a request whose client closed the connection; undefined for any other error. Only the access log sees its
 * status.
 */
export function answerAborted(request: Request, error: unknown): Response | undefined {
  if (!request.signal.aborted && !ReinstateError.is(error, "broken_body")) return undefined;
  return new Response(null, { status: clientClosedRequest });
}
