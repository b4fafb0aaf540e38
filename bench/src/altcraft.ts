import { altcraftBatch } from "./altcraft-batch.ts";
import { altcraftHttp } from "./altcraft-http.ts";
import { altcraftLarge } from "./altcraft-large.ts";
import type { Line } from "./report.ts";

/** Altcraft's subscriptions: one over HTTP, XML beside JSON, a million as one batch, and large tables beside small ones. */
export async function altcraft(scale: number): Promise<Line[]> {
  return [...(await altcraftHttp(scale)), ...(await altcraftBatch(scale)), ...(await altcraftLarge(scale))];
}
