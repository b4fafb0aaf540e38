/**
 * A JSON parser that behaves like the vendor's: equally lenient, and with the vendor's error messages, which have path, line and
 * position. Integers are exact at any size.
 */

/** A value with its path, and with the line and position after it. */
export type JsonNode = JsonValue & { path: string; line: number; position: number };

export type JsonValue =
  | { kind: "integer"; value: bigint }
  /** `text` is the number as it was written. */
  | { kind: "float"; text: string }
  | { kind: "string"; value: string }
  | { kind: "boolean"; value: boolean }
  | { kind: "null" }
  /** The word `undefined`, or an empty place between two commas. */
  | { kind: "undefined" }
  | { kind: "array"; items: JsonValue[] }
  /** A constructor call, as `new Date(1)`. */
  | { kind: "constructor"; name: string; items: JsonValue[] }
  /** The last value of a repeated name counts. */
  | { kind: "object"; members: Map<string, JsonValue> };

/** Invalid JSON. The message is that of the vendor. */
export class JsonFault extends Error {}

/** The maximum nesting depth. */
const maxDepth = 64;
/** The maximum number of characters of an integer. */
const maxIntegerLength = 380;

/** The state of the reader. Arrays and constructors share `listStart` and `list`. */
type State = "start" | "objectStart" | "object" | "property" | "listStart" | "list" | "after" | "finished";
type Scalar = Exclude<JsonValue, { kind: "array" | "constructor" | "object" }>;
/** The first token of a value. */
type Opening =
  | { type: "StartObject" | "StartArray" }
  | { type: "StartConstructor"; name: string }
  | { type: "Value"; value: Scalar };
type Closing = { type: "EndObject" } | { type: "EndArray" } | { type: "EndConstructor" };
type Token = Opening | Closing | { type: "Comment" } | { type: "PropertyName"; name: string };
/** An open container, and the name or index of its current member. */
type Level = { kind: "Object"; name: string | undefined } | { kind: "Array" | "Constructor"; index: number };

/**
 * Parses a text whose root must be an object. Returns its members with their positions. `onName` is called with every property
 * name at any depth.
 *
 * @throws JsonFault
 */
export function parseObject(text: string, onName: (name: string) => void = () => {}): Map<string, JsonNode> {
  const reader = createReader(text);
  let token = reader.next();
  while (token?.type === "Comment") token = reader.next();
  if (!token) throw reader.fault("Error reading JObject from JsonReader.");
  if (token.type !== "StartObject") {
    const found = token.type === "Value" ? tokenNames[token.value.kind] : token.type;
    throw reader.fault(`Error reading JObject from JsonReader. Current JsonReader item is not an object: ${found}`);
  }
  const root = readContent(reader, onName);
  while (reader.next()) {
    // Only comments may follow; the reader throws for any other token.
  }
  return root;
}

const tokenNames = {
  integer: "Integer",
  float: "Float",
  string: "String",
  boolean: "Boolean",
  null: "Null",
  undefined: "Undefined",
};

function readContent(reader: Reader, onName: (name: string) => void): Map<string, JsonNode> {
  const root = new Map<string, JsonNode>();
  /** The open containers inside the root. */
  const open: (JsonValue & { kind: "object" | "array" | "constructor" })[] = [];
  let name = "";
  for (let first = true; ; first = false) {
    const token = reader.next();
    if (!token) {
      throw reader.fault(
        first ? "Error reading JObject from JsonReader." : "Unexpected end of content while loading JObject.",
      );
    }
    if (token.type === "Comment") continue;
    if (token.type === "PropertyName") {
      name = token.name;
      onName(name);
      continue;
    }
    if (token.type === "EndObject" || token.type === "EndArray" || token.type === "EndConstructor") {
      if (open.length === 0) return root;
      open.pop();
      continue;
    }
    const node = startValue(token);
    const parent = open.at(-1);
    if (!parent) root.set(name, Object.assign(node, reader.place()));
    else if (parent.kind === "object") parent.members.set(name, node);
    else parent.items.push(node);
    if (node.kind === "object" || node.kind === "array" || node.kind === "constructor") open.push(node);
  }
}

/** Returns a value from its first token. Containers are still empty. */
function startValue(token: Opening): JsonValue {
  switch (token.type) {
    case "Value":
      return token.value;
    case "StartObject":
      return { kind: "object", members: new Map() };
    case "StartArray":
      return { kind: "array", items: [] };
    case "StartConstructor":
      return { kind: "constructor", name: token.name, items: [] };
  }
}

/** Reads a text token by token. */
interface Reader {
  /** Returns the next token, or undefined at the end of the text. */
  next(): Token | undefined;
  place(): { path: string; line: number; position: number };
  fault(message: string): JsonFault;
}

function createReader(text: string): Reader {
  let at = 0;
  let line = 1;
  let lineStart = 0;
  let state: State = "start";
  const levels: Level[] = [];

  const place = () => {
    const position = at - lineStart;
    return { path: currentPath(), line: state === "start" && position === 0 ? 0 : line, position };
  };

  // Vendor quirk: the path omits a container until its first member has been read.
  const currentPath = () => pathText(state === "objectStart" || state === "listStart" ? levels.slice(0, -1) : levels);

  const fault = (message: string) => {
    const { path, line, position } = place();
    const full = message.endsWith(".") ? message : `${message}.`;
    return new JsonFault(`${full} Path '${path}', line ${line}, position ${position}.`);
  };

  const unexpectedEnd = () => fault("Unexpected end when reading JSON.");

  /** Skips one character and counts lines. */
  function step(): void {
    const code = text[at++];
    if (code === "\n" || (code === "\r" && text[at] !== "\n")) {
      line++;
      lineStart = at;
    }
  }

  const blank = (char: string | undefined) => char === "\0" || (char !== undefined && whitespace.test(char));

  function skipBlank(): void {
    while (at < text.length && blank(text[at])) step();
  }

  function beginValue(): void {
    const level = levels.at(-1);
    if (level && level.kind !== "Object") level.index++;
  }

  function endValue(): void {
    state = levels.length > 0 ? "after" : "finished";
  }

  function value(value: Scalar): Token {
    beginValue();
    endValue();
    return { type: "Value", value };
  }

  function openContainer(kind: Level["kind"], token: Opening): Token {
    at++;
    beginValue();
    levels.push(kind === "Object" ? { kind, name: undefined } : { kind, index: -1 });
    state = kind === "Object" ? "objectStart" : "listStart";
    if (levels.length > maxDepth) throw fault(`The reader's MaxDepth of ${maxDepth} has been exceeded.`);
    return token;
  }

  function closeContainer(kind: Level["kind"]): Token {
    at++;
    const level = levels.pop();
    if (level?.kind !== kind) {
      throw fault(`JsonToken End${kind} is not valid for closing JsonType ${level?.kind ?? "None"}.`);
    }
    endValue();
    return { type: `End${kind}` };
  }

  function readString(): string {
    const quote = text[at++] as string;
    const unterminated = () => fault(`Unterminated string. Expected delimiter: ${quote}.`);
    let value = "";
    for (;;) {
      const char = text[at];
      if (char === undefined) throw unterminated();
      if (char === quote) {
        at++;
        // A lone surrogate, which only an escape can produce, is not a character.
        return value.toWellFormed();
      }
      if (char !== "\\") {
        step();
        value += char;
        continue;
      }
      at++;
      const escaped = text[at];
      if (escaped === undefined) throw unterminated();
      at++;
      if (escaped === "u") {
        if (at + 4 >= text.length) throw fault("Unexpected end while parsing Unicode escape sequence.");
        const digits = text.slice(at, at + 4);
        if (!/^[0-9a-f]{4}$/i.test(digits)) throw fault(`Invalid Unicode escape sequence: \\u${digits}.`);
        value += String.fromCharCode(Number.parseInt(digits, 16));
        at += 4;
        continue;
      }
      const meant = escapes[escaped];
      if (meant === undefined) throw fault(`Bad JSON escape sequence: \\${escaped}.`);
      value += meant;
    }
  }

  function readName(): string {
    const first = text[at] as string;
    if (first === '"' || first === "'") return readString();
    if (!identifier.test(first)) throw fault(`Invalid property identifier character: ${first}.`);
    const start = at;
    for (;;) {
      const char = text[at];
      if (char === undefined) throw fault("Unexpected end while parsing unquoted property name.");
      if (char === ":" || blank(char)) return text.slice(start, at);
      if (!identifier.test(char)) throw fault(`Invalid JavaScript property identifier character: ${char}.`);
      at++;
    }
  }

  function readProperty(): Token {
    const name = readName();
    skipBlank();
    if (text[at] !== ":") {
      throw fault(`Invalid character after parsing property name. Expected ':' but got: ${text[at] ?? "\0"}.`);
    }
    at++;
    const level = levels.at(-1);
    if (level?.kind === "Object") level.name = name;
    state = "property";
    return { type: "PropertyName", name };
  }

  function readComment(): Token {
    at++;
    if (at + 1 >= text.length) throw fault("Unexpected end while parsing comment.");
    const mark = text[at];
    if (mark !== "*" && mark !== "/") throw fault(`Error parsing comment. Expected: *, got ${mark}.`);
    at++;
    while (at < text.length) {
      if (mark === "/" && (text[at] === "\r" || text[at] === "\n")) return { type: "Comment" };
      if (mark === "*" && text[at] === "*" && text[at + 1] === "/") {
        at += 2;
        return { type: "Comment" };
      }
      step();
    }
    if (mark === "*") throw fault("Unexpected end while parsing comment.");
    return { type: "Comment" };
  }

  /** Skips a word that a separator must follow. */
  function skipWord(word: string, wrong: string): void {
    if (at + word.length > text.length) {
      at = text.length;
      throw unexpectedEnd();
    }
    for (const char of word) {
      if (text[at] !== char) throw fault(wrong);
      at++;
    }
    const next = text[at];
    const separated =
      next === undefined ||
      blank(next) ||
      "}],".includes(next) ||
      (next === ")" && levels.at(-1)?.kind === "Constructor") ||
      (next === "/" && /[*/]/.test(text[at + 1] ?? ""));
    if (!separated) throw fault(wrong);
  }

  function readWord(word: string, wrong: string, meant: Scalar): Token {
    skipWord(word, wrong);
    return value(meant);
  }

  function readConstructor(): Token {
    skipWord("new", "Unexpected content while parsing JSON.");
    skipBlank();
    const start = at;
    while (at < text.length && letterOrDigit.test(text[at] as string)) at++;
    const name = text.slice(start, at);
    if (at >= text.length) throw fault("Unexpected end while parsing constructor.");
    skipBlank();
    if (text[at] !== "(") throw fault(`Unexpected character while parsing constructor: ${text[at] ?? "\0"}.`);
    return openContainer("Constructor", { type: "StartConstructor", name });
  }

  function readNumber(): Token {
    const start = at;
    for (; at < text.length; at++) {
      const char = text[at] as string;
      if (numeric.test(char)) continue;
      if (blank(char) || ",}])/".includes(char)) break;
      throw fault(`Unexpected character encountered while parsing number: ${char}.`);
    }
    const number = text.slice(start, at);
    beginValue();
    endValue();
    const integer = parseInteger(number);
    if (integer !== undefined) {
      if (number.length > maxIntegerLength) throw fault(`JSON integer ${number} is too large to parse.`);
      return { type: "Value", value: { kind: "integer", value: integer } };
    }
    if (/^0[^.e]/i.test(number) || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(number)) {
      throw fault(`Input string '${number}' is not a valid number.`);
    }
    return { type: "Value", value: { kind: "float", text: number } };
  }

  function readValue(): Token | undefined {
    skipBlank();
    const char = text[at];
    switch (char) {
      case undefined:
        return undefined;
      case '"':
      case "'":
        return value({ kind: "string", value: readString() });
      case "t":
        return readWord("true", "Error parsing boolean value.", { kind: "boolean", value: true });
      case "f":
        return readWord("false", "Error parsing boolean value.", { kind: "boolean", value: false });
      case "n":
        if (at + 1 >= text.length) {
          at++;
          throw unexpectedEnd();
        }
        if (text[at + 1] === "u") return readWord("null", "Error parsing null value.", { kind: "null" });
        if (text[at + 1] === "e") return readConstructor();
        break;
      case "u":
        return readWord("undefined", "Error parsing undefined value.", { kind: "undefined" });
      case "N":
        return readWord("NaN", "Error parsing NaN value.", { kind: "float", text: "NaN" });
      case "I":
        return readWord("Infinity", "Error parsing Infinity value.", { kind: "float", text: "Infinity" });
      case "/":
        return readComment();
      case "{":
        return openContainer("Object", { type: "StartObject" });
      case "[":
        return openContainer("Array", { type: "StartArray" });
      case "]":
        return closeContainer("Array");
      case ")":
        return closeContainer("Constructor");
      case ",":
        // The comma is read after the missing value.
        return value({ kind: "undefined" });
    }
    if (char === "-" && text[at + 1] === "I") {
      return readWord("-Infinity", "Error parsing -Infinity value.", { kind: "float", text: "-Infinity" });
    }
    if (char === "-" || char === "." || /\p{N}/u.test(char)) return readNumber();
    throw fault(`Unexpected character encountered while parsing value: ${char}.`);
  }

  function readMember(): Token | undefined {
    skipBlank();
    const char = text[at];
    if (char === undefined) return undefined;
    if (char === "}") return closeContainer("Object");
    if (char === "/") return readComment();
    return readProperty();
  }

  /** Reads what follows a value. Returns undefined after a comma and at the end of the text. */
  function readAfter(): Token | undefined {
    skipBlank();
    const char = text[at];
    switch (char) {
      case undefined:
        state = "finished";
        return undefined;
      case "}":
        return closeContainer("Object");
      case "]":
        return closeContainer("Array");
      case ")":
        return closeContainer("Constructor");
      case "/":
        return readComment();
      case ",":
        at++;
        state = levels.at(-1)?.kind === "Object" ? "object" : "list";
        return undefined;
    }
    throw fault(`After parsing a value an unexpected character was encountered: ${char}.`);
  }

  function next(): Token | undefined {
    if (state === "after") {
      const token = readAfter();
      if (token) return token;
    }
    if (state === "finished") {
      skipBlank();
      if (at >= text.length) return undefined;
      if (text[at] === "/") return readComment();
      throw fault(`Additional text encountered after finished reading JSON content: ${text[at]}.`);
    }
    return state === "objectStart" || state === "object" ? readMember() : readValue();
  }

  return { next, place, fault };
}

const whitespace = /[\s\u0085]/;
const letterOrDigit = /[\p{L}\p{Nd}]/u;
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

function pathText(levels: readonly Level[]): string {
  let path = "";
  for (const level of levels) {
    if (level.kind !== "Object") {
      if (level.index >= 0) path += `[${level.index}]`;
    } else if (level.name !== undefined) {
      const plain = !/[.\s'/"[\]()\u0085]/.test(level.name);
      path += plain ? `${path === "" ? "" : "."}${level.name}` : `['${level.name.replace(/['\\]/g, "\\$&")}']`;
    }
  }
  return path;
}

/** Returns a value as JSON, as the vendor echoes it: integers exact, floats as they were written. */
export function toText(value: JsonValue): string {
  switch (value.kind) {
    case "integer":
      return value.value.toString();
    case "float":
      if (/^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(value.text)) return value.text;
      return Number.isFinite(Number(value.text)) ? String(Number(value.text)) : JSON.stringify(value.text);
    case "string":
      return JSON.stringify(value.value);
    case "boolean":
      return String(value.value);
    case "null":
    case "undefined":
      return "null";
    case "array":
      return `[${value.items.map(toText).join(",")}]`;
    case "constructor":
      // JSON has no such value, so it becomes a string.
      return JSON.stringify(`new ${value.name}(${value.items.map(toText).join(",")})`);
    case "object":
      return `{${[...value.members].map(([name, member]) => `${JSON.stringify(name)}:${toText(member)}`).join(",")}}`;
  }
}
