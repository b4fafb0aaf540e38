import { readJson } from "../text/json-text.ts";
import { showControls, showValue } from "../text/show-value.ts";
import { parseInteger } from "./integer-text.ts";
import type { RecordParser, Row } from "./record.ts";
import type { Line } from "./split-lines.ts";

/** Parses one JSON value per line and skips blank lines. `integers`: a number must be written as an integer. */
export function createNdjsonParser(integers: boolean): RecordParser {
  let lines: Line[] = [];
  let at = 0;
  return {
    add: (line) => void lines.push(line),
    end() {},
    next() {
      while (at < lines.length) {
        const row = toRow(lines[at++] as Line, integers);
        if (row) return row;
      }
      lines = [];
      at = 0;
      return undefined;
    },
  };
}

function toRow(line: Line, integers: boolean): Row | undefined {
  if ("fault" in line) return { line: line.number, fault: line.fault };
  if (typeof line.content === "number") return { line: line.number, value: line.content };
  if (line.content.trim() === "") return undefined;
  const read = readJson(line.content);
  if (read.fault !== undefined) {
    // The parser quotes a part of some texts.
    const reason = showControls(read.fault.replace(/, "[\s\S]*is not valid JSON$/, ""));
    return { line: line.number, fault: `is not JSON: ${reason}; it is ${showValue(line.content)}` };
  }
  const { value } = read;
  if (!integers || typeof value !== "number") return { line: line.number, value };
  const { integer, fault } = parseInteger(line.content);
  return fault === undefined ? { line: line.number, value: integer } : { line: line.number, fault };
}
