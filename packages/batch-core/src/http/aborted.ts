import { ReinstateError } from "../errors/errors.ts";

/** The status that proxies log for a client that closed its connection before the answer. */
const clientClosedRequest = 499;

/**
 * Returns the answer to a request whose client closed the connection; undefined for every other error. The status
 * is for the access log alone: the client no longer reads it, and the server is not at fault.
 */
export function answerAborted(request: Request, error: unknown): Response | undefined {
  if (!request.signal.aborted && !ReinstateError.is(error, "broken_body")) return undefined;
  return new Response(null, { status: clientClosedRequest });
}
