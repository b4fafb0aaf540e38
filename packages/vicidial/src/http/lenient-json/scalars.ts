import { type Cursor, isBlank } from "./cursor.ts";
import type { JsonValue } from "./value.ts";

/** A value that is no container. */
export type Scalar = Exclude<JsonValue, { kind: "array" | "constructor" | "object" }>;

/** The maximum number of characters of an integer. */
const maxIntegerLength = 380;

const identifier = /[\p{L}\p{Nd}_$]/u;
const numeric = /[-+.0-9a-fxA-FX]/;
const escapes: Record<string, string> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  "\\": "\\",
  '"': '"',
  "'": "'",
  "/": "/",
};

/** Reads a string in single or double quotes. */
export function readString(cursor: Cursor): string {
  const { text } = cursor;
  const quote = text[cursor.at++] as string;
  const unterminated = () => cursor.fault(`Unterminated string. Expected delimiter: ${quote}.`);
  let value = "";
  for (;;) {
    const char = text[cursor.at];
    if (char === undefined) throw unterminated();
    if (char === quote) {
      cursor.at++;
      // A lone surrogate, which only an escape can produce, is not a character.
      return value.toWellFormed();
    }
    if (char !== "\\") {
      cursor.step();
      value += char;
      continue;
    }
    cursor.at++;
    const escaped = text[cursor.at];
    if (escaped === undefined) throw unterminated();
    cursor.at++;
    value += escaped === "u" ? readUnicodeEscape(cursor) : toCharacter(cursor, escaped);
  }
}

function readUnicodeEscape(cursor: Cursor): string {
  const { text, at } = cursor;
  if (at + 4 >= text.length) throw cursor.fault("Unexpected end while parsing Unicode escape sequence.");
  const digits = text.slice(at, at + 4);
  if (!/^[0-9a-f]{4}$/i.test(digits)) throw cursor.fault(`Invalid Unicode escape sequence: \\u${digits}.`);
  cursor.at += 4;
  return String.fromCharCode(Number.parseInt(digits, 16));
}

function toCharacter(cursor: Cursor, escaped: string): string {
  const character = escapes[escaped];
  if (character === undefined) throw cursor.fault(`Bad JSON escape sequence: \\${escaped}.`);
  return character;
}

/** Reads the name of a property, in quotes or without. */
export function readName(cursor: Cursor): string {
  const { text } = cursor;
  const first = text[cursor.at] as string;
  if (first === '"' || first === "'") return readString(cursor);
  if (!identifier.test(first)) throw cursor.fault(`Invalid property identifier character: ${first}.`);
  const start = cursor.at;
  for (;;) {
    const char = text[cursor.at];
    if (char === undefined) throw cursor.fault("Unexpected end while parsing unquoted property name.");
    if (char === ":" || isBlank(char)) return text.slice(start, cursor.at);
    if (!identifier.test(char)) throw cursor.fault(`Invalid JavaScript property identifier character: ${char}.`);
    cursor.at++;
  }
}

/** Skips a comment of either form. */
export function skipComment(cursor: Cursor): void {
  const { text } = cursor;
  cursor.at++;
  if (cursor.at + 1 >= text.length) throw cursor.fault("Unexpected end while parsing comment.");
  const mark = text[cursor.at];
  if (mark !== "*" && mark !== "/") throw cursor.fault(`Error parsing comment. Expected: *, got ${mark}.`);
  cursor.at++;
  while (cursor.at < text.length) {
    const char = text[cursor.at];
    if (mark === "/" && (char === "\r" || char === "\n")) return;
    if (mark === "*" && char === "*" && text[cursor.at + 1] === "/") {
      cursor.at += 2;
      return;
    }
    cursor.step();
  }
  if (mark === "*") throw cursor.fault("Unexpected end while parsing comment.");
}

/** Skips a word that a separator must follow. `wrong`: the message if there is another word. */
export function skipWord(cursor: Cursor, word: string, wrong: string): void {
  const { text, levels } = cursor;
  if (cursor.at + word.length > text.length) {
    cursor.at = text.length;
    throw unexpectedEnd(cursor);
  }
  for (const char of word) {
    if (text[cursor.at] !== char) throw cursor.fault(wrong);
    cursor.at++;
  }
  const next = text[cursor.at];
  const isSeparated =
    next === undefined ||
    isBlank(next) ||
    "}],".includes(next) ||
    (next === ")" && levels.at(-1)?.kind === "Constructor") ||
    (next === "/" && /[*/]/.test(text[cursor.at + 1] ?? ""));
  if (!isSeparated) throw cursor.fault(wrong);
}

/** Returns the error for a text that ends within a value. */
export const unexpectedEnd = (cursor: Cursor) => cursor.fault("Unexpected end when reading JSON.");

/** Reads a number. Integers are exact, other numbers stay as they were written. */
export function readNumber(cursor: Cursor): Scalar {
  const { text } = cursor;
  const start = cursor.at;
  for (; cursor.at < text.length; cursor.at++) {
    const char = text[cursor.at] as string;
    if (numeric.test(char)) continue;
    if (isBlank(char) || ",}])/".includes(char)) break;
    throw cursor.fault(`Unexpected character encountered while parsing number: ${char}.`);
  }
  const number = text.slice(start, cursor.at);
  cursor.beginValue();
  cursor.endValue();
  const integer = parseInteger(number);
  if (integer !== undefined) {
    if (number.length > maxIntegerLength) throw cursor.fault(`JSON integer ${number} is too large to parse.`);
    return { kind: "integer", value: integer };
  }
  if (/^0[^.e]/i.test(number) || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(number)) {
    throw cursor.fault(`Input string '${number}' is not a valid number.`);
  }
  return { kind: "float", text: number };
}

/** Parses a decimal integer of any size, or a hexadecimal or octal one (leading zero) of 64 bits. */
function parseInteger(number: string): bigint | undefined {
  if (/^0x[0-9a-f]{1,16}$/i.test(number)) return BigInt.asIntN(64, BigInt(number.toLowerCase()));
  if (/^0\d/.test(number)) {
    if (!/^[0-7]+$/.test(number)) return undefined;
    const value = BigInt(`0o${number}`);
    return value >= 1n << 64n ? undefined : BigInt.asIntN(64, value);
  }
  // Performance: the caller refuses longer numbers, so do not convert them to a bigint.
  if (/^-?\d+$/.test(number)) return number.length > maxIntegerLength ? 0n : BigInt(number);
  return undefined;
}
