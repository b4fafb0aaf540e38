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

/**
 * Creates a lookup of the owner of a path by the beginnings that owners declared. A beginning matches whole segments, and a segment
 * with an extension: `/api/v2/tickets` matches `/api/v2/tickets/7` and `/api/v2/tickets.json`, not `/api/v2/tickets_old`. The longest
 * one wins, so the order of the owners does not matter.
 *
 * @example
 * const findOwner = createPathTable([{ path: "/api/v2/tickets", owner: zendesk }]);
 * findOwner(cleanPath(request))?.fetch(request);
 */
export function createPathTable<Owner>(
  entries: readonly { path: string; owner: Owner }[],
): (path: string) => Owner | undefined {
  const longestFirst = [...entries].sort((a, b) => b.path.length - a.path.length);
  const matches = (path: string, beginning: string) =>
    path.startsWith(beginning) && (path.length === beginning.length || "/.".includes(path.charAt(beginning.length)));
  return (path) => longestFirst.find((entry) => matches(path, entry.path))?.owner;
}
