import type { Host } from "../host.ts";
import { type ReportFormat, writeManifest, writeReport } from "../results/report.ts";
import { batchBody } from "./representations.ts";

const types: Record<ReportFormat, string> = {
  csv: "text/csv; charset=utf-8; header=present",
  ndjson: "application/x-ndjson",
};

/** Streams the report of a batch in its present state. A slow reader costs no memory. */
export async function reportResponse(host: Host, id: number, format: ReportFormat): Promise<Response> {
  await host.batches.get(id);
  const body = ReadableStream.from(writeReport(host.batches.everyPage(id), format));
  return new Response(body, {
    headers: {
      "content-type": types[format],
      "content-disposition": `attachment; filename="batch-${id}-report.${format}"`,
      "cache-control": "no-store",
    },
  });
}

/**
 * Returns the manifest of a batch: its present counts, and the sizes and digests of its reports. Reading ends when `client` aborts,
 * because the client has disconnected.
 */
export async function manifestResponse(host: Host, id: number, client: AbortSignal): Promise<Response> {
  const batch = await host.batches.get(id);
  const manifest = await writeManifest(untilAborted(host.batches.everyPage(id), client));
  return Response.json({ batch: batchBody(batch), ...manifest }, { headers: { "cache-control": "no-store" } });
}

async function* untilAborted<Page>(pages: AsyncIterable<Page>, signal: AbortSignal): AsyncGenerator<Page> {
  for await (const page of pages) {
    signal.throwIfAborted();
    yield page;
  }
}
