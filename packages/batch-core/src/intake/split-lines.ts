import { decodeLine } from "./encoding.ts";

/** Maximum length in bytes of a line, and of a record that spans lines. */
export const longestLine = 1024 * 1024;

/** One line of a file. A line of digits is an integer. */
export type Line = { number: number; content: string | number } | { number: number; fault: string };

/**
 * Splits slices of bytes into lines, numbered from 1, in linear time. The first line end decides for the whole file: a line feed, with
 * or without a carriage return before it, or a carriage return. A byte order mark is skipped. A line that is too long is not buffered.
 */
export interface LineSplitter {
  write(slice: Uint8Array, isUtf16: boolean): void;
  /** The last line needs no line end. */
  end(): void;
  /** True if at least one line ended with a line end. */
  hasLineEnd(): boolean;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export function createLineSplitter(onLine: (line: Line) => void): LineSplitter {
  let number = 0;
  let lineEnd: number | undefined;
  /** The open line, in a buffer that doubles, so the cost is linear even for many small parts. */
  let begun = new Uint8Array(256);
  let size = 0;
  let utf16 = false;
  let sawLineEnd = false;

  function keep(part: Uint8Array): void {
    const end = size + part.length;
    if (end <= longestLine) {
      if (end > begun.length) {
        const larger = new Uint8Array(Math.max(end, 2 * begun.length));
        larger.set(begun.subarray(0, size));
        begun = larger;
      }
      begun.set(part, size);
    }
    size = end;
  }

  function endLine(): void {
    number++;
    onLine(size > longestLine ? { number, fault: `is longer than ${longestLine} bytes` } : readLine(begun, 0, size));
    size = 0;
  }

  function readLine(bytes: Uint8Array, from: number, to: number): Line {
    const start =
      number === 1 && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf ? from + 3 : from;
    const end = lineEnd !== carriageReturn && to > start && bytes[to - 1] === carriageReturn ? to - 1 : to;
    const integer = plainInteger(bytes, start, end);
    if (!Number.isNaN(integer)) return { number, content: integer };
    const decoded = decodeLine(bytes.subarray(start, end), utf16);
    return "text" in decoded ? { number, content: decoded.text } : { number, fault: decoded.fault };
  }

  /** Returns the line end of the file if this slice shows it. A carriage return at its end does not. */
  function findLineEnd(slice: Uint8Array): number | undefined {
    const at = slice.findIndex((byte) => byte === lineFeed || byte === carriageReturn);
    if (at < 0 || slice[at] === lineFeed) return at < 0 ? undefined : lineFeed;
    if (at + 1 === slice.length) return undefined;
    return slice[at + 1] === lineFeed ? lineFeed : carriageReturn;
  }

  /** A carriage return at the end of a slice. The next byte shows if it is a line end of its own. */
  let held: Uint8Array | undefined;

  return {
    write(slice, isUtf16) {
      utf16 = isUtf16;
      let bytes = held ? Buffer.concat([held, slice]) : slice;
      held = undefined;
      lineEnd ??= findLineEnd(bytes);
      if (lineEnd === undefined && bytes.at(-1) === carriageReturn) {
        held = bytes.subarray(-1);
        bytes = bytes.subarray(0, -1);
      }
      let from = 0;
      for (let at = 0; at < bytes.length && lineEnd !== undefined; at++) {
        if (bytes[at] !== lineEnd) continue;
        sawLineEnd = true;
        if (size === 0) {
          number++;
          onLine(readLine(bytes, from, at));
        } else {
          keep(bytes.subarray(from, at));
          endLine();
        }
        from = at + 1;
      }
      if (from < bytes.length) keep(bytes.subarray(from));
    },
    end() {
      if (held) sawLineEnd = true;
      if (size > 0 || held) endLine();
    },
    hasLineEnd: () => sawLineEnd,
  };
}

/** Returns the number of a line that consists of digits; NaN for any other line. */
export function plainInteger(bytes: Uint8Array, start: number, end: number): number {
  const digits = end - start;
  // Fifteen digits are always exact. JSON allows no leading zero.
  if (digits < 1 || digits > 15 || (bytes[start] === 0x30 && digits > 1)) return Number.NaN;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}
