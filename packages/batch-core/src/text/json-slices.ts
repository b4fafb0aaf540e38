import { setImmediate } from "node:timers/promises";
import { findClosingQuote, findRepeatedName, type JsonText, longestText, maxDepth, readJson } from "./json-text.ts";

/** Characters that are read before others get a turn: some milliseconds of work for the worst texts. */
const sliceLength = 16 * 1024;

/** Texts up to this length are read at once. */
const atOnce = 32 * 1024;

/** Names of one object at most: a larger one takes long whenever it grows. */
const mostNames = 50_000;

/** Members of one list at most, because its memory is copied whenever it grows. A text of 10 MB cannot hold as many distinct integers. */
const mostMembers = 1_500_000;

const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

type Container = unknown[] | Record<string, unknown>;

/** An object or a list that is not yet closed. */
interface Open {
  isList: boolean;
  /** The place of its bracket. */
  start: number;
  /** The members that were read, once it is longer than a slice. */
  value: Container | undefined;
  /** The place from which on its text has not been read. */
  unread: number;
  /** The place of the comma behind its last complete member; -1 without one. */
  end: number;
  /** A comma has been read, so another member must come. */
  needsMember: boolean;
  /** The name of the member that is longer than a slice, in an object. */
  name: string | undefined;
  /** How many names of short members it holds. */
  names: number;
  /** The member before was longer than a slice, so a comma or the end comes next. */
  afterMember: boolean;
}

/**
 * Reads a JSON text of any length like `readJson`, with turns of the event loop in between.
 *
 * Protocol: one pass over the text keeps the open objects and lists. After each slice the complete members of each of them are parsed by
 * `JSON.parse` and added to it, so every character is parsed once, and no call of `JSON.parse` gets more than a slice and one text. The
 * fault also reports a text of more than a mebibyte, an object with more than 50,000 names, and a list with more than 1,500,000 members.
 */
export async function readJsonInSlices(text: string): Promise<JsonText> {
  if (text.length <= atOnce) return readJson(text);
  const reader = createReader(text);
  try {
    for (let at = 0; at < text.length; ) {
      at = reader.scan(at, Math.min(text.length, at + sliceLength));
      reader.readMembers();
      await setImmediate();
    }
    return { value: reader.end() };
  } catch (error) {
    if (error instanceof JsonFault) return { fault: error.message };
    // Its position would be one within a slice.
    if (error instanceof SyntaxError)
      return { fault: error.message.replace(/ (in JSON )?at position \d+.*$/s, ""), quotes: true };
    throw error;
  }
}

class JsonFault extends Error {}

const unexpected = (at: number) => new JsonFault(`Unexpected text at position ${at}`);

function createReader(text: string) {
  const open: Open[] = [];
  let root: { value: unknown } | undefined;
  let rootEnd = -1;

  function scan(from: number, to: number): number {
    let at = from;
    for (; at < to; at++) {
      const code = text.charCodeAt(at);
      if (code === quote) at = endOfText(at);
      else if (code === openBrace || code === openBracket) push(code === openBracket, at);
      else if (code === closeBrace || code === closeBracket) close(code === closeBracket, at);
      else if (code === comma) {
        const top = open.at(-1);
        if (!top) throw unexpected(at);
        top.end = at;
        if (top.afterMember) readComma(top, at);
      }
    }
    return at;
  }

  function endOfText(start: number): number {
    const end = findClosingQuote(text, start, longestText);
    if (end < 0) throw new JsonFault("Unterminated string in JSON");
    if (end - start > longestText) throw new JsonFault(`a text has more than ${longestText} characters`);
    return end;
  }

  function push(isList: boolean, start: number): void {
    if (open.length === 0 && start > 0 && text.slice(0, start).trim() !== "") throw unexpected(0);
    if (root) throw unexpected(start);
    if (open.length === maxDepth) throw new JsonFault(`it is nested more than ${maxDepth} deep`);
    open.push({
      isList,
      start,
      value: undefined,
      unread: start + 1,
      end: -1,
      needsMember: false,
      name: undefined,
      names: 0,
      afterMember: false,
    });
  }

  function close(isList: boolean, at: number): void {
    const top = open.pop();
    if (!top || top.isList !== isList) throw unexpected(at);
    const parent = open.at(-1);
    if (top.value === undefined) {
      // Short: it is read with the members of its parent.
      if (!parent) finish(parse(text.slice(top.start, at + 1)), at);
      return;
    }
    readLast(top, at);
    if (!parent) {
      finish(top.value, at);
      return;
    }
    add(parent, top.value);
    parent.unread = at + 1;
    parent.end = -1;
    parent.afterMember = true;
  }

  function finish(value: unknown, at: number): void {
    root = { value };
    rootEnd = at + 1;
  }

  /** Reads the comma behind a member that was longer than a slice. */
  function readComma(top: Open, at: number): void {
    assertBlank(top.unread, at);
    top.afterMember = false;
    top.needsMember = true;
    top.unread = at + 1;
    top.end = -1;
  }

  function assertBlank(from: number, to: number): void {
    if (text.slice(from, to).trim() !== "") throw unexpected(from);
  }

  /** Reads the complete members of all open objects and lists. */
  function readMembers(): void {
    for (const [depth, one] of open.entries()) {
      if (one.end >= 0 && !one.afterMember) {
        append(one, text.slice(one.unread, one.end));
        one.unread = one.end + 1;
        one.end = -1;
        one.needsMember = true;
      }
      one.value ??= one.isList ? [] : {};
      const inner = open[depth + 1];
      if (inner && inner.value === undefined) readName(one, inner.start);
    }
  }

  /** Reads what stands before a member that is longer than a slice: nothing in a list, its name in an object. */
  function readName(one: Open, to: number): void {
    if (one.afterMember) throw unexpected(one.unread);
    if (one.isList) {
      assertBlank(one.unread, to);
      return;
    }
    const before = text.slice(one.unread, to);
    const [name] = Object.keys(parse(`{${before}0}`) as object);
    if (name === undefined || !/:\s*$/.test(before)) throw unexpected(one.unread);
    one.name = name;
  }

  /** Reads the members up to the closing bracket. */
  function readLast(one: Open, at: number): void {
    const rest = text.slice(one.unread, at);
    if (one.afterMember) assertBlank(one.unread, at);
    else if (rest.trim() !== "") append(one, rest);
    else if (one.needsMember) throw unexpected(at);
  }

  function append(one: Open, members: string): void {
    if (members.trim() === "") throw unexpected(one.unread);
    if (one.isList) {
      const list = one.value as unknown[] | undefined;
      const more = parse(`[${members}]`) as unknown[];
      if ((list?.length ?? 0) + more.length > mostMembers) throw tooLong();
      if (list) for (const member of more) list.push(member);
      else one.value = more;
      return;
    }
    const more = parse(`{${members}}`) as Record<string, unknown>;
    one.names += Object.keys(more).length;
    if (one.names > mostNames) throw new JsonFault(`an object has more than ${mostNames} names`);
    if (!one.value) one.value = more;
    else for (const [name, member] of Object.entries(more)) define(one.value as Record<string, unknown>, name, member);
  }

  function add(parent: Open, value: unknown): void {
    if (parent.isList) (parent.value as unknown[]).push(value);
    else define(parent.value as Record<string, unknown>, parent.name as string, value);
  }

  return {
    scan,
    readMembers,
    end(): unknown {
      if (open.length > 0) throw new JsonFault("Unexpected end of JSON input");
      // A text that is no object and no list.
      if (!root) return parse(text);
      assertBlank(rootEnd, text.length);
      return root.value;
    },
  };
}

function define(object: Record<string, unknown>, name: string, value: unknown): void {
  if (Object.hasOwn(object, name)) throw repeated(name);
  // An assignment to `__proto__` would make no property.
  Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
}

const tooLong = () => new JsonFault(`a list has more than ${mostMembers} members`);

const repeated = (name: string) =>
  new JsonFault(`the name ${JSON.stringify(name.slice(0, 100))} occurs twice in an object`);

function parse(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const name = findRepeatedName(text);
  if (name !== undefined) throw repeated(name);
  return value;
}
