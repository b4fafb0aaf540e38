import { SaxesParser } from "saxes";
import { requestLimits, type XmlLimits } from "./body-limits.ts";

/** One element of an XML document: either text or children, never both. */
export interface XmlElement {
  name: string;
  /** Trimmed text. */
  text: string;
  children: XmlElement[];
  /** Whether it is marked with `array='true'`: an item of a list, also if it is the only one. */
  array: boolean;
  /** Names of the attributes other than `array`; absent if there are none. */
  attributes?: readonly string[];
}

/** Error for a document that is not well-formed or exceeds a limit. */
export class XmlError extends Error {
  override readonly name = "XmlError";
}

/**
 * Parses an XML document. Rejects a DOCTYPE and processing instructions, so no entity is expanded and nothing is fetched. Rejects
 * encodings other than UTF-8, text beside elements, and documents over the limits.
 *
 * @throws `XmlError`
 */
export function readXml(document: string, limits: XmlLimits = requestLimits): XmlElement {
  const reader = createReader(limits);
  reader.write(document);
  return reader.end();
}

/** Characters parsed between yields: a few milliseconds of work for any content. */
const parseChunkSize = 65_536;

/** Parses an XML document like `readXml`, and yields to the event loop after each chunk. */
export async function readXmlYielding(document: string, limits: XmlLimits): Promise<XmlElement> {
  const reader = createReader(limits);
  for (let start = 0; start < document.length; start += parseChunkSize) {
    if (start > 0) await new Promise((resolve) => setImmediate(resolve));
    reader.write(document.slice(start, start + parseChunkSize));
  }
  return reader.end();
}

/** Creates a parser that takes a document in chunks. */
function createReader(limits: XmlLimits) {
  const parser = new SaxesParser({ position: false });
  const open: XmlElement[] = [];
  let root: XmlElement | undefined;
  let values = 0;
  let attributes = 0;

  parser.on("doctype", () => refuse("a DOCTYPE is not accepted"));
  parser.on("processinginstruction", () => refuse("processing instructions are not accepted"));
  parser.on("xmldecl", ({ encoding }) => {
    if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) refuse("the only accepted encoding is UTF-8");
  });
  // Counted while parsing: once the tag is complete, a bomb would already be in memory.
  parser.on("opentagstart", () => {
    attributes = 0;
    if (++values > limits.values) refuse(`more than ${limits.values} elements`);
    if (open.length >= limits.depth) refuse(`elements nested more than ${limits.depth} deep`);
    const parent = open.at(-1);
    if (parent && parent.children.length >= limits.children) {
      refuse(`more than ${limits.children} elements in <${parent.name}>`);
    }
  });
  parser.on("attribute", () => {
    if (++attributes > limits.attributes) refuse(`more than ${limits.attributes} attributes on one element`);
  });
  parser.on("opentag", ({ name, attributes }) => {
    const element: XmlElement = { name, text: "", children: [], array: attributes.array === "true" };
    const others = Object.keys(attributes).filter((attribute) => attribute !== "array");
    if (others.length > 0) element.attributes = others;
    const parent = open.at(-1);
    if (parent) parent.children.push(element);
    else root = element;
    open.push(element);
  });
  const addText = (text: string) => {
    const element = open.at(-1);
    if (!element) return;
    element.text += text;
    if (element.text.length > limits.text) refuse(`more than ${limits.text} characters in <${element.name}>`);
  };
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.on("closetag", () => {
    const element = open.pop() as XmlElement;
    element.text = element.text.trim();
    if (element.children.length > 0 && element.text !== "") refuse(`text beside elements in <${element.name}>`);
  });

  /** Runs a step, and turns any error of the parser into an `XmlError`. */
  function rethrowXmlError(step: () => void): void {
    try {
      step();
    } catch (error) {
      throw error instanceof XmlError ? error : new XmlError(error instanceof Error ? error.message : String(error));
    }
  }

  return {
    write: (chunk: string) => rethrowXmlError(() => parser.write(chunk)),
    end(): XmlElement {
      rethrowXmlError(() => parser.close());
      // The parser fails on a document without a root.
      return root as XmlElement;
    },
  };
}

function refuse(reason: string): never {
  throw new XmlError(reason);
}

export interface XmlStyle {
  /** Begin with `<?xml version="1.0" encoding="UTF-8" ?>`. */
  declaration?: boolean;
  /**
   * Writes a request: items of lists, and empty lists, are marked with `array='true'`. A value that would change its meaning throws
   * an `XmlError`. A reply has no marks, and substitutes for names and characters that XML cannot express.
   */
  request?: boolean;
}

/**
 * Returns a value as `<xml>…</xml>` on one line. Members are in byte order, and a list is repeated elements without a wrapper. Null
 * and the empty text are an empty element. An absent member is omitted, and so is an empty list in a reply.
 *
 * @throws `XmlError` if a request holds what XML cannot express
 */
export function writeXml(members: Readonly<Record<string, unknown>>, { declaration, request = false }: XmlStyle = {}) {
  const inside = writeMembers(request ? withoutEmpty(members) : members, request);
  const begin = declaration ? '<?xml version="1.0" encoding="UTF-8" ?>' : "";
  return begin + (inside === "" ? "<xml/>" : `<xml>${inside}</xml>`);
}

/** Removes parameters that are empty objects, which mean the same as absent ones. */
const withoutEmpty = (members: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => JSON.stringify(value) !== "{}"));

const arrayMark = " array='true'";

function writeMembers(members: Readonly<Record<string, unknown>>, request: boolean): string {
  let inside = "";
  for (const name of Object.keys(members).sort()) {
    if (members[name] !== undefined) inside += writeMember(toElementName(name, request), members[name], request);
  }
  return inside;
}

function writeMember(word: string, value: unknown, request: boolean): string {
  if (!Array.isArray(value)) return element(word, "", value, request);
  if (!request) return value.map((item) => element(word, "", item, request)).join("");
  if (value.length === 0) return `<${word}${arrayMark}/>`;
  if (value.length === 1 && value[0] === null)
    throw new XmlError(`XML cannot distinguish a list of null from an empty list in <${word}>`);
  return value.map((item) => element(word, arrayMark, item, request)).join("");
}

function element(word: string, attribute: string, value: unknown, request: boolean): string {
  const inside = content(word, value, request);
  if (inside !== "") return `<${word}${attribute}>${inside}</${word}>`;
  if (request && value !== null) throw new XmlError(`XML cannot distinguish an empty value from null in <${word}>`);
  return `<${word}${attribute}/>`;
}

function content(word: string, value: unknown, request: boolean): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return escapeText(String(value), request);
  if (!Array.isArray(value)) return writeMembers(value as Record<string, unknown>, request);
  if (request) throw new XmlError(`XML cannot express a list in a list in <${word}>`);
  return writeMember(word, value, request);
}

/** Returns a name as an element name. A stored name must not become markup. */
function toElementName(name: string, request: boolean): string {
  if (/^[A-Za-z_][\w.-]*$/.test(name)) return name;
  if (request) throw new XmlError(`${JSON.stringify(name)} cannot be the name of an element`);
  return `_${name.replace(/[^\w.-]/g, "_")}`;
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;" };

// XML 1.0 cannot express most control characters, not even as references.
const unwritable = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

function escapeText(text: string, request: boolean): string {
  const writable = text.toWellFormed().replace(unwritable, "\uFFFD");
  if (request && writable !== text) throw new XmlError("a text holds characters that XML cannot express");
  return writable.replace(/[&<>\r]/g, (character) => entities[character] as string);
}
