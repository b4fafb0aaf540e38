/** What is done with one line: the bytes from `start` to `end`, without what ended it. They are not copied; keep none. */
export type OnLine = (bytes: Uint8Array, start: number, end: number, number: number) => void;

/** Bytes of a line at most. */
export const longestLine = 1024 * 1024;

/** Cuts bytes that arrive in parts into lines, numbered from 1. A byte order mark is left out. */
export interface LineCutter {
  write(part: Uint8Array): void;
  /** The last line needs no line end. */
  end(): void;
}

export function createLineCutter(onLine: OnLine, onTooLong: (number: number) => void): LineCutter {
  let number = 0;
  let rest: Uint8Array = new Uint8Array();
  let tooLong = false;

  function line(bytes: Uint8Array, from: number, to: number): void {
    number++;
    if (tooLong || to - from > longestLine) {
      tooLong = false;
      onTooLong(number);
      return;
    }
    const start = number === 1 && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf ? 3 : 0;
    const end = to > from && bytes[to - 1] === 0x0d ? to - 1 : to;
    onLine(bytes, from + start, Math.max(from + start, end), number);
  }

  return {
    write(part) {
      const bytes = rest.length === 0 ? part : Buffer.concat([rest, part]);
      let from = 0;
      for (let at = rest.length; at < bytes.length; at++) {
        if (bytes[at] !== 0x0a) continue;
        line(bytes, from, at);
        from = at + 1;
      }
      if (bytes.length - from <= longestLine) rest = bytes.subarray(from);
      else {
        // The rest of such a line is not kept.
        tooLong = true;
        rest = new Uint8Array();
      }
    },
    end() {
      if (rest.length > 0 || tooLong) line(rest, 0, rest.length);
    },
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The text of a line; undefined where it is not UTF-8. */
export function textOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

/** The number that a line of digits alone is; NaN for every other line. */
export function plainInteger(bytes: Uint8Array, start: number, end: number): number {
  const digits = end - start;
  // Fifteen digits are always exact. JSON knows no leading zero.
  if (digits < 1 || digits > 15 || (bytes[start] === 0x30 && digits > 1)) return Number.NaN;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}
