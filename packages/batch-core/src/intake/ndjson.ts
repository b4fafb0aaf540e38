import type { Desk } from "./desk.ts";
import { createLineCutter, longestLine, plainInteger, textOf } from "./lines.ts";

/** Reads one JSON value a line; blank lines are left out. */
export async function readNdjson(source: AsyncIterable<Uint8Array>, desk: Desk): Promise<void> {
  const lines = createLineCutter(
    (bytes, start, end, number) => {
      // What most lines of ids are need not become text first.
      const integer = plainInteger(bytes, start, end);
      if (!Number.isNaN(integer)) return desk.take(integer, number);
      const text = textOf(bytes, start, end);
      if (text === undefined) return desk.refuse(number, "is not UTF-8");
      if (text.trim() === "") return;
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        return desk.refuse(number, "is not JSON");
      }
      desk.take(value, number);
    },
    (number) => desk.refuse(number, `is longer than ${longestLine} bytes`),
  );
  // A client that is still sending does not read an answer: the rest is taken, and not looked at.
  for await (const part of source) if (!desk.full()) lines.write(part);
  lines.end();
}
