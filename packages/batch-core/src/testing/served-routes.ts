/** A route as its router lists it: `POST /api/v2/tickets/:id/restore`. */
export interface ServedRoute {
  method: string;
  path: string;
}

/**
 * Returns every route of a Hono router. A route for all methods counts if its path has no other: the others only answer 405.
 *
 * @throws Error if the router does not list its routes.
 * @example const routes = listServedRoutes(instance.routes);
 */
export function listServedRoutes(router: object): ServedRoute[] {
  const { routes } = router as { routes?: (ServedRoute & { handler: (...given: never[]) => unknown })[] };
  if (!routes) throw new Error("The router does not list its routes");
  // A function of two parameters is a middleware, which hands the call on.
  const named = routes.filter(({ path, handler }) => !path.endsWith("*") && handler.length < 2);
  const withMethod = named.filter(({ method }) => method !== "ALL");
  const known = new Set(withMethod.map(({ path }) => path));
  const forAll = named.filter(({ method, path }) => method === "ALL" && !known.has(path));
  return [...withMethod, ...forAll].map(({ method, path }) => ({ method, path }));
}
