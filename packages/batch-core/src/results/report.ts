import { createHash, type Hash } from "node:crypto";
import { type Counts, noCounts } from "../batch/batch.ts";
import type { ItemOutcome } from "./items.ts";

/** The format of a report. */
export type ReportFormat = "csv" | "ndjson";

/** The size and digest of a report, to check a download. */
export interface ReportFile {
  bytes: number;
  /** Line ends in it, as `wc -l` counts them. */
  lines: number;
  sha256: string;
}

/** The contents of a batch's reports at a time: the items by outcome, and both files. */
export interface Manifest {
  total: number;
  /** Items by outcome; `pending` are those that still wait. */
  counts: Counts & { pending: number };
  reports: { "report.csv": ReportFile; "report.ndjson": ReportFile };
}

/** Yields a batch's report, one part per page of items. CSV starts with a header. A waiting item has an empty outcome. */
export async function* writeReport(
  pages: AsyncIterable<readonly ItemOutcome[]>,
  format: ReportFormat,
): AsyncGenerator<Uint8Array, void, undefined> {
  const write = writers[format]();
  const header = headers[format];
  if (header !== "") yield Buffer.from(header);
  for await (const page of pages) yield Buffer.from(write(page));
}

/** Reads both reports once and returns their digests and counts. */
export async function writeManifest(pages: AsyncIterable<readonly ItemOutcome[]>): Promise<Manifest> {
  const counts = { ...noCounts(), pending: 0 };
  let total = 0;
  const files = (["csv", "ndjson"] as const).map((format) => createTally(format));
  for await (const page of pages) {
    total += page.length;
    for (const { outcome } of page) counts[outcome ?? "pending"]++;
    for (const file of files) file.add(page);
  }
  const [csv, ndjson] = files.map((file) => file.end()) as [ReportFile, ReportFile];
  return { total, counts, reports: { "report.csv": csv, "report.ndjson": ndjson } };
}

function createTally(format: ReportFormat) {
  const hash: Hash = createHash("sha256");
  const write = writers[format]();
  let bytes = 0;
  let lines = 0;
  const take = (part: Buffer) => {
    hash.update(part);
    bytes += part.length;
    for (let at = part.indexOf(0x0a); at >= 0; at = part.indexOf(0x0a, at + 1)) lines++;
  };
  take(Buffer.from(headers[format]));
  return {
    add: (page: readonly ItemOutcome[]) => take(Buffer.from(write(page))),
    end: (): ReportFile => ({ bytes, lines, sha256: hash.digest("hex") }),
  };
}

type Writer = (page: readonly ItemOutcome[]) => string;

const headers: Record<ReportFormat, string> = { csv: "item,outcome,code,message,generation\n", ndjson: "" };

const writers: Record<ReportFormat, () => Writer> = {
  csv: () =>
    writer(
      (item) => cell(typeof item === "object" ? JSON.stringify(item) : String(item)),
      ({ outcome = "", code = "", message = "", generation }) =>
        `,${outcome},${cell(code)},${cell(message)},${generation}\n`,
    ),
  ndjson: () =>
    writer(
      (item) => `{"item":${JSON.stringify(item)}`,
      ({ outcome = null, code, message, generation }) =>
        `,${JSON.stringify({ outcome, code, message, generation }).slice(1)}\n`,
    ),
};

/** Writes items with their outcomes. Performance: reuses the text of the previous outcome if it is equal. */
function writer(itemOf: (item: unknown) => string, fateOf: (found: ItemOutcome) => string): Writer {
  let last: ItemOutcome | undefined;
  let result = "";
  return (page) => {
    let text = "";
    for (const found of page) {
      if (!last || !sameFate(found, last)) {
        result = fateOf(found);
        last = found;
      }
      text += itemOf(found.item) + result;
    }
    return text;
  };
}

function sameFate(a: ItemOutcome, b: ItemOutcome): boolean {
  return a.outcome === b.outcome && a.generation === b.generation && a.code === b.code && a.message === b.message;
}

/** Formats a cell so that a spreadsheet reads it as text, never as a formula. Quotes it if necessary. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(text) && !/^[+-]?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
