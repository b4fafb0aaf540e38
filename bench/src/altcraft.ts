import { altcraftBatch } from "./altcraft-batch.ts";
import { altcraftHttp } from "./altcraft-http.ts";
import { altcraftLarge } from "./altcraft-large.ts";
import type { Line } from "./report.ts";

/** Measures Altcraft: single calls over HTTP in JSON and XML, a million subscriptions as one batch, and large tables. */
export async function altcraft(scale: number): Promise<Line[]> {
  return [...(await altcraftHttp(scale)), ...(await altcraftBatch(scale)), ...(await altcraftLarge(scale))];
}
