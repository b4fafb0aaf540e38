import { firstpromoterHttp } from "./firstpromoter-http.ts";
import { firstpromoterLarge } from "./firstpromoter-large.ts";
import type { Line } from "./report.ts";

/** FirstPromoter's API: over HTTP beside hand-written routes, and every call on a large table beside a small one. */
export async function firstpromoter(scale: number): Promise<Line[]> {
  return [...(await firstpromoterHttp(scale)), ...(await firstpromoterLarge(scale))];
}
