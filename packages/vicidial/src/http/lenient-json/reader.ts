import { createCursor, type JsonFault, type Level, type Place } from "./cursor.ts";
import { readName, readNumber, readString, type Scalar, skipComment, skipWord, unexpectedEnd } from "./scalars.ts";

/** The maximum nesting depth. */
const maxDepth = 64;

/** The first token of a value. */
export type Opening =
  | { type: "StartObject" | "StartArray" }
  | { type: "StartConstructor"; name: string }
  | { type: "Value"; value: Scalar };
type Closing = { type: "EndObject" } | { type: "EndArray" } | { type: "EndConstructor" };
type Token = Opening | Closing | { type: "Comment" } | { type: "PropertyName"; name: string };

/** Reads a text token by token. */
export interface Reader {
  /** Returns the next token, or undefined at the end of the text. */
  next(): Token | undefined;
  place(): Place;
  fault(message: string): JsonFault;
}

const letterOrDigit = /[\p{L}\p{Nd}]/u;

/** The words that are values. `wrong`: the message if another word begins with the same letter. */
const words: Record<string, { word: string; wrong: string; value: Scalar }> = {
  t: { word: "true", wrong: "Error parsing boolean value.", value: { kind: "boolean", value: true } },
  f: { word: "false", wrong: "Error parsing boolean value.", value: { kind: "boolean", value: false } },
  nu: { word: "null", wrong: "Error parsing null value.", value: { kind: "null" } },
  u: { word: "undefined", wrong: "Error parsing undefined value.", value: { kind: "undefined" } },
  N: { word: "NaN", wrong: "Error parsing NaN value.", value: { kind: "float", text: "NaN" } },
  I: { word: "Infinity", wrong: "Error parsing Infinity value.", value: { kind: "float", text: "Infinity" } },
  "-I": { word: "-Infinity", wrong: "Error parsing -Infinity value.", value: { kind: "float", text: "-Infinity" } },
};

/** Creates a reader of a text. */
export function createReader(text: string): Reader {
  const cursor = createCursor(text);
  const { fault } = cursor;

  function endWith(value: Scalar): Token {
    cursor.beginValue();
    cursor.endValue();
    return { type: "Value", value };
  }

  function openContainer(kind: Level["kind"], token: Opening): Token {
    cursor.at++;
    cursor.beginValue();
    cursor.levels.push(kind === "Object" ? { kind, name: undefined } : { kind, index: -1 });
    cursor.state = kind === "Object" ? "objectStart" : "listStart";
    if (cursor.levels.length > maxDepth) throw fault(`The reader's MaxDepth of ${maxDepth} has been exceeded.`);
    return token;
  }

  function closeContainer(kind: Level["kind"]): Token {
    cursor.at++;
    const level = cursor.levels.pop();
    if (level?.kind !== kind) {
      throw fault(`JsonToken End${kind} is not valid for closing JsonType ${level?.kind ?? "None"}.`);
    }
    cursor.endValue();
    return { type: `End${kind}` };
  }

  function readComment(): Token {
    skipComment(cursor);
    return { type: "Comment" };
  }

  function readProperty(): Token {
    const name = readName(cursor);
    cursor.skipBlank();
    if (text[cursor.at] !== ":") {
      throw fault(`Invalid character after parsing property name. Expected ':' but got: ${text[cursor.at] ?? "\0"}.`);
    }
    cursor.at++;
    const level = cursor.levels.at(-1);
    if (level?.kind === "Object") level.name = name;
    cursor.state = "property";
    return { type: "PropertyName", name };
  }

  function readWord({ word, wrong, value }: (typeof words)[string]): Token {
    skipWord(cursor, word, wrong);
    return endWith(value);
  }

  function readConstructor(): Token {
    skipWord(cursor, "new", "Unexpected content while parsing JSON.");
    cursor.skipBlank();
    const start = cursor.at;
    while (cursor.at < text.length && letterOrDigit.test(text[cursor.at] as string)) cursor.at++;
    const name = text.slice(start, cursor.at);
    if (cursor.at >= text.length) throw fault("Unexpected end while parsing constructor.");
    cursor.skipBlank();
    if (text[cursor.at] !== "(") {
      throw fault(`Unexpected character while parsing constructor: ${text[cursor.at] ?? "\0"}.`);
    }
    return openContainer("Constructor", { type: "StartConstructor", name });
  }

  function readValue(): Token | undefined {
    cursor.skipBlank();
    const char = text[cursor.at];
    switch (char) {
      case undefined:
        return undefined;
      case '"':
      case "'":
        return endWith({ kind: "string", value: readString(cursor) });
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
        return endWith({ kind: "undefined" });
    }
    if (char === "n" && cursor.at + 1 >= text.length) {
      cursor.at++;
      throw unexpectedEnd(cursor);
    }
    if (text.startsWith("ne", cursor.at)) return readConstructor();
    const word = words[char] ?? words[text.slice(cursor.at, cursor.at + 2)];
    if (word) return readWord(word);
    if (char === "-" || char === "." || /\p{N}/u.test(char)) return { type: "Value", value: readNumber(cursor) };
    throw fault(`Unexpected character encountered while parsing value: ${char}.`);
  }

  function readMember(): Token | undefined {
    cursor.skipBlank();
    const char = text[cursor.at];
    if (char === undefined) return undefined;
    if (char === "}") return closeContainer("Object");
    if (char === "/") return readComment();
    return readProperty();
  }

  /** Reads what follows a value. Returns undefined after a comma and at the end of the text. */
  function readAfter(): Token | undefined {
    cursor.skipBlank();
    const char = text[cursor.at];
    switch (char) {
      case undefined:
        cursor.state = "finished";
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
        cursor.at++;
        cursor.state = cursor.levels.at(-1)?.kind === "Object" ? "object" : "list";
        return undefined;
    }
    throw fault(`After parsing a value an unexpected character was encountered: ${char}.`);
  }

  function next(): Token | undefined {
    if (cursor.state === "after") {
      const token = readAfter();
      if (token) return token;
    }
    if (cursor.state === "finished") {
      cursor.skipBlank();
      if (cursor.at >= text.length) return undefined;
      if (text[cursor.at] === "/") return readComment();
      throw fault(`Additional text encountered after finished reading JSON content: ${text[cursor.at]}.`);
    }
    return cursor.state === "objectStart" || cursor.state === "object" ? readMember() : readValue();
  }

  return { next, place: cursor.place, fault };
}
