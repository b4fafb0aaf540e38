import { getPath } from "hono/utils/url";

/**
 * Returns the path of a request, decoded as Hono decodes it, with doubled slashes joined and without a trailing slash. Slashes in
 * the query and encoded slashes (`%2F`) stay as they are. Clients join a base URL and a path in every way, so every router uses it.
 *
 * @example
 * new Hono({ getPath: cleanPath }); // GET //v1/batches/ is routed as /v1/batches
 */
export function cleanPath(request: Request): string {
  const path = getPath(request);
  if (!path.endsWith("/") && !path.includes("//")) return path;
  const joined = path.replace(/\/{2,}/g, "/");
  return joined.length > 1 && joined.endsWith("/") ? joined.slice(0, -1) : joined;
}
