/** The position of a reader in a text: the character, the line, and the open containers. */

/** Invalid JSON. The message is that of the vendor. */
export class JsonFault extends Error {}

/** The state of the reader. Arrays and constructors share `listStart` and `list`. */
type State = "start" | "objectStart" | "object" | "property" | "listStart" | "list" | "after" | "finished";
/** An open container, and the name or index of its current member. */
export type Level = { kind: "Object"; name: string | undefined } | { kind: "Array" | "Constructor"; index: number };

export interface Place {
  path: string;
  line: number;
  position: number;
}

/** A position in a text that only moves forward. */
export interface Cursor {
  readonly text: string;
  /** The index of the next character. */
  at: number;
  state: State;
  readonly levels: Level[];
  place(): Place;
  /** Creates an error with the place in the vendor's words. */
  fault(message: string): JsonFault;
  /** Skips one character and counts lines. */
  step(): void;
  skipBlank(): void;
  /** Counts a value in its list. Called before the value. */
  beginValue(): void;
  /** Called after a value. */
  endValue(): void;
}

const whitespace = /[\s\u0085]/;

/** Reports whether a character is blank for the vendor, which includes NUL. */
export const isBlank = (char: string | undefined) => char === "\0" || (char !== undefined && whitespace.test(char));

/** Creates a cursor at the start of a text. */
export function createCursor(text: string): Cursor {
  let line = 1;
  let lineStart = 0;
  const cursor: Cursor = {
    text,
    at: 0,
    state: "start",
    levels: [],

    place() {
      const { at, state, levels } = cursor;
      const position = at - lineStart;
      // Vendor quirk: the path omits a container until its first member has been read.
      const path = toPath(state === "objectStart" || state === "listStart" ? levels.slice(0, -1) : levels);
      return { path, line: state === "start" && position === 0 ? 0 : line, position };
    },

    fault(message) {
      const { path, line, position } = cursor.place();
      const full = message.endsWith(".") ? message : `${message}.`;
      return new JsonFault(`${full} Path '${path}', line ${line}, position ${position}.`);
    },

    step() {
      const char = text[cursor.at++];
      if (char === "\n" || (char === "\r" && text[cursor.at] !== "\n")) {
        line++;
        lineStart = cursor.at;
      }
    },

    skipBlank() {
      while (cursor.at < text.length && isBlank(text[cursor.at])) cursor.step();
    },

    beginValue() {
      const level = cursor.levels.at(-1);
      if (level && level.kind !== "Object") level.index++;
    },

    endValue() {
      cursor.state = cursor.levels.length > 0 ? "after" : "finished";
    },
  };
  return cursor;
}

function toPath(levels: readonly Level[]): string {
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
