/** Headers of every page and file. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  // `no-referrer` would make browsers send `Origin: null` with every form.
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/**
 * Reports whether a request was sent by a page of this server. `Origin` must name the host of the request. The scheme is not compared,
 * because a proxy may end TLS; `Sec-Fetch-Site`, which browsers send to secure origins, compares it.
 */
export function isOwnOrigin({ headers }: Request): boolean {
  const origin = URL.parse(headers.get("origin") ?? "");
  const site = headers.get("sec-fetch-site");
  if (!origin || (site !== null && site !== "same-origin")) return false;
  return URL.parse(`${origin.protocol}//${headers.get("host")}`)?.origin === origin.origin;
}

/** Reports whether the browser talks HTTPS, to this server or to a proxy before it. */
export const isSecure = ({ headers, url }: Request): boolean =>
  headers.get("origin")?.startsWith("https:") === true ||
  headers.get("x-forwarded-proto")?.split(",")[0]?.trim() === "https" ||
  url.startsWith("https:");
