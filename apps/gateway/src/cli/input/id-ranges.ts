import { createHash } from "node:crypto";
import { wrongUse } from "../terminal/failure.ts";
import { formatCount } from "../terminal/numbers.ts";
import type { Input } from "./input.ts";

/** Largest number of ids in `--ids`. More come from a file. */
const mostIds = 100_000_000;
/** Ids in one part of the stream. */
const idsAtOnce = 10_000;

const usage = "write ids and ranges with commas between them, such as --ids 1-5000,7001";

/** Reads `--ids 1-5000,7001`. */
export function openIdRanges(text: string): Input {
  const ranges = text.split(",").map(parseRange);
  const total = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  if (total > mostIds) {
    throw wrongUse(`--ids names ${formatCount(total)} ids, and at most ${formatCount(mostIds)} are possible`, usage);
  }
  const written = ranges.map(({ from, to }) => `${from}-${to}`).join(",");
  return {
    name: "--ids",
    format: "ndjson",
    unit: "element",
    size: undefined,
    source: listIds(ranges),
    digest: async () => createHash("sha256").update(`ids ${written}`).digest("hex"),
    close() {},
  };
}

interface Range {
  from: number;
  to: number;
}

function parseRange(text: string): Range {
  const match = /^\s*(\d{1,15})\s*(?:-\s*(\d{1,15})\s*)?$/.exec(text);
  if (!match) throw wrongUse(`--ids: ${JSON.stringify(text.slice(0, 40))} is no id and no range`, usage);
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  if (to < from) throw wrongUse(`--ids: the range ${text.trim()} ends before it begins`, usage);
  return { from, to };
}

async function* listIds(ranges: readonly Range[]): AsyncGenerator<Uint8Array, void, undefined> {
  let part: string[] = [];
  for (const { from, to } of ranges) {
    for (let id = from; id <= to; id++) {
      part.push(`${id}\n`);
      if (part.length < idsAtOnce) continue;
      yield Buffer.from(part.join(""));
      part = [];
    }
  }
  if (part.length > 0) yield Buffer.from(part.join(""));
}
