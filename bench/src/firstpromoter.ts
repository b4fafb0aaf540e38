import { firstpromoterHttp } from "./firstpromoter-http.ts";
import { firstpromoterLarge } from "./firstpromoter-large.ts";
import type { Line } from "./report.ts";

/** Measures FirstPromoter: calls over HTTP compared with hand-written routes, and every call on large tables. */
export async function firstpromoter(scale: number): Promise<Line[]> {
  return [...(await firstpromoterHttp(scale)), ...(await firstpromoterLarge(scale))];
}
