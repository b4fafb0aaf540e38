import { createWriteStream } from "node:fs";
import { access, rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Service } from "../service/service.ts";

/** Returns the default path of a report: one that no file has. */
export async function findReportPath(id: number): Promise<string> {
  for (let copy = 1; ; copy++) {
    const path = `reinstate-batch-${id}${copy === 1 ? "" : `-${copy}`}.csv`;
    const isFree = await access(path).then(
      () => false,
      () => true,
    );
    if (isFree) return path;
  }
}

/** Returns the path of a report in `/v1`. The name of the file decides the format. */
export const toReportPath = (id: number, file: string) =>
  `/v1/batches/${id}/report.${/\.(ndjson|jsonl)$/i.test(file) ? "ndjson" : "csv"}`;

/** Writes the report of a batch to a file that only its owner may read. An unfinished report does not replace a file. */
export async function writeReportFile(
  service: Service,
  id: number,
  file: string,
  format?: "csv" | "ndjson",
): Promise<void> {
  const { body } = await service.open(toReportPath(id, format === undefined ? file : `.${format}`));
  const part = `${file}.part`;
  try {
    await pipeline(Readable.fromWeb(body as never), createWriteStream(part, { mode: 0o600 }));
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
