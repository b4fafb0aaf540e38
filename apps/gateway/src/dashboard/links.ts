import { exact, type Html } from "./html.ts";

export type Query = Record<string, string | number | null | undefined>;

/** Makes the paths of the pages. Every link, form, cookie and redirect uses it, because a proxy may serve the pages below a prefix. */
export interface Links {
  /** Returns a path with its query, for headers. Empty values of the query are left out. */
  path(path: string, query?: Query): string;
  /** Returns the same for an attribute. */
  href(path: string, query?: Query): Html;
  /** The path of the session's cookie. */
  readonly cookiePath: string;
}

/** @param basePath a prefix such as `/ops`; empty if there is none. */
export function createLinks(basePath: string): Links {
  function path(path: string, query: Query = {}): string {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
    }
    return `${basePath}${path}${search.size > 0 ? `?${search}` : ""}`;
  }
  return { path, href: (to, query) => exact(path(to, query)), cookiePath: basePath === "" ? "/" : basePath };
}
