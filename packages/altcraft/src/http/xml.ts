import { SaxesParser } from "saxes";
import { requestLimits, type XmlLimits } from "./body-limits.ts";

/** One element of an XML document: either text or children, never both. */
export interface XmlElement {
  name: string;
  /** Without the white space around it. */
  text: string;
  children: XmlElement[];
  /** Carried `array='true'`: one item of a list, also where it stands alone. */
  array: boolean;
  /** The names of its attributes, if it has others than `array`. */
  attributes?: readonly string[];
}

/** A document that is not well-formed, or that passes a limit. The message says which. */
export class XmlError extends Error {
  override readonly name = "XmlError";
}

/**
 * Reads an XML document. Refuses a DOCTYPE and processing instructions, so there is no entity to expand and nothing to
 * fetch; refuses encodings other than UTF-8, text between elements, and whatever is over the limits. Throws `XmlError`.
 */
export function readXml(document: string, limits: XmlLimits = requestLimits): XmlElement {
  const reader = createReader(limits);
  reader.write(document);
  return reader.end();
}

/** Characters that are read in one go: some milliseconds of work, whatever they are. */
const piece = 65_536;

/** The same of a document of megabytes, with others having their turn in between. */
export async function readXmlInTurns(document: string, limits: XmlLimits): Promise<XmlElement> {
  const reader = createReader(limits);
  for (let start = 0; start < document.length; start += piece) {
    if (start > 0) await new Promise((resolve) => setImmediate(resolve));
    reader.write(document.slice(start, start + piece));
  }
  return reader.end();
}

/** Reads a document piece by piece. */
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
  // Counted while they are read: by the time the tag is complete, a bomb would lie in memory.
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

  /** Whatever the parser throws is an `XmlError`. */
  function parsing(step: () => void): void {
    try {
      step();
    } catch (error) {
      throw error instanceof XmlError ? error : new XmlError(error instanceof Error ? error.message : String(error));
    }
  }

  return {
    write: (piece: string) => parsing(() => parser.write(piece)),
    end(): XmlElement {
      parsing(() => parser.close());
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
   * As requests are: the items of lists are marked with `array='true'`, an empty list too, and what would come out as something
   * else is thrown as an `XmlError`. A reply has no marks, and a substitute where XML cannot hold a name or a character.
   */
  request?: boolean;
}

/**
 * Writes a value as `<xml>…</xml>` on one line: members in byte order, a list as repeated elements without a wrapper,
 * null and the empty text as an empty element, an absent member and an empty list (but in a request) as nothing.
 */
export function writeXml(members: Readonly<Record<string, unknown>>, { declaration, request = false }: XmlStyle = {}) {
  const inside = writeMembers(request ? withoutEmpty(members) : members, request);
  const begin = declaration ? '<?xml version="1.0" encoding="UTF-8" ?>' : "";
  return begin + (inside === "" ? "<xml/>" : `<xml>${inside}</xml>`);
}

/** A parameter that is an empty object asks for as little as one that is left out. */
const withoutEmpty = (members: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => JSON.stringify(value) !== "{}"));

const arrayMark = " array='true'";

function writeMembers(members: Readonly<Record<string, unknown>>, request: boolean): string {
  let inside = "";
  for (const name of Object.keys(members).sort()) {
    if (members[name] !== undefined) inside += member(elementName(name, request), members[name], request);
  }
  return inside;
}

function member(word: string, value: unknown, request: boolean): string {
  if (!Array.isArray(value)) return element(word, "", value, request);
  if (!request) return value.map((item) => element(word, "", item, request)).join("");
  if (value.length === 0) return `<${word}${arrayMark}/>`;
  if (value.length === 1 && value[0] === null)
    throw new XmlError(`XML cannot tell a list of null in <${word}> from an empty one`);
  return value.map((item) => element(word, arrayMark, item, request)).join("");
}

function element(word: string, attribute: string, value: unknown, request: boolean): string {
  const inside = content(word, value, request);
  if (inside !== "") return `<${word}${attribute}>${inside}</${word}>`;
  if (request && value !== null) throw new XmlError(`XML cannot tell what is empty in <${word}> from null`);
  return `<${word}${attribute}/>`;
}

function content(word: string, value: unknown, request: boolean): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return escaped(String(value), request);
  if (!Array.isArray(value)) return writeMembers(value as Record<string, unknown>, request);
  if (request) throw new XmlError(`XML cannot tell a list in a list in <${word}>`);
  return member(word, value, request);
}

/** A name out of a database is not markup, whoever wrote it there. */
function elementName(name: string, request: boolean): string {
  if (/^[A-Za-z_][\w.-]*$/.test(name)) return name;
  if (request) throw new XmlError(`${JSON.stringify(name)} cannot be the name of an element`);
  return `_${name.replace(/[^\w.-]/g, "_")}`;
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;" };

// XML 1.0 has no way to write most control characters, not even as a reference.
const unwritable = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

function escaped(text: string, request: boolean): string {
  const writable = text.toWellFormed().replace(unwritable, "\uFFFD");
  if (request && writable !== text) throw new XmlError("a text holds characters that XML cannot hold");
  return writable.replace(/[&<>\r]/g, (character) => entities[character] as string);
}
