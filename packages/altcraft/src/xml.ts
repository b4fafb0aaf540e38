import { SaxesParser } from "saxes";

/** One element of an XML document: either text or children, never both. */
export interface XmlElement {
  name: string;
  /** Without the white space around it. */
  text: string;
  children: XmlElement[];
  /** Carried `array='true'`: one item of a list, also where it stands alone. */
  array: boolean;
}

/** A document that is not well-formed, or that passes a limit. The message says which. */
export class XmlError extends Error {
  override readonly name = "XmlError";
}

/** What a document may hold at most, so that a hostile one costs no more than a friendly one. */
export interface XmlLimits {
  depth: number;
  elements: number;
  /** Per element. */
  attributes: number;
  /** Characters of text per element. */
  text: number;
}

export const requestLimits: XmlLimits = { depth: 16, elements: 4096, attributes: 16, text: 8192 };

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
  let elements = 0;
  let attributes = 0;

  parser.on("doctype", () => refuse("a DOCTYPE is not accepted"));
  parser.on("processinginstruction", () => refuse("processing instructions are not accepted"));
  parser.on("xmldecl", ({ encoding }) => {
    if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) refuse("the only accepted encoding is UTF-8");
  });
  // Counted while they are read: by the time the tag is complete, a bomb would lie in memory.
  parser.on("opentagstart", () => {
    attributes = 0;
    if (++elements > limits.elements) refuse(`more than ${limits.elements} elements`);
    if (open.length >= limits.depth) refuse(`elements nested more than ${limits.depth} deep`);
  });
  parser.on("attribute", () => {
    if (++attributes > limits.attributes) refuse(`more than ${limits.attributes} attributes on one element`);
  });
  parser.on("opentag", ({ name, attributes }) => {
    const element: XmlElement = { name, text: "", children: [], array: attributes.array === "true" };
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
  /** Mark the items of lists with `array='true'`, as requests carry it and replies do not. */
  markArrays?: boolean;
}

/**
 * Writes a value as `<xml>…</xml>` on one line: members in byte order, a list as repeated elements without a wrapper,
 * null and the empty text as an empty element, an absent member and an empty list as nothing.
 */
export function writeXml(members: Readonly<Record<string, unknown>>, style: XmlStyle = {}): string {
  const declaration = style.declaration ? '<?xml version="1.0" encoding="UTF-8" ?>' : "";
  return declaration + element("xml", members, style.markArrays ?? false, "");
}

function element(name: string, value: unknown, markArrays: boolean, attribute: string): string {
  if (Array.isArray(value)) {
    const mark = markArrays ? " array='true'" : "";
    return value.map((item) => element(name, item, markArrays, mark)).join("");
  }
  const inside = content(value, markArrays);
  return inside === "" ? `<${name}${attribute}/>` : `<${name}${attribute}>${inside}</${name}>`;
}

function content(value: unknown, markArrays: boolean): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return escaped(String(value));
  const members = value as Record<string, unknown>;
  let inside = "";
  for (const name of Object.keys(members).sort()) {
    if (members[name] !== undefined) inside += element(name, members[name], markArrays, "");
  }
  return inside;
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;" };

function escaped(text: string): string {
  // XML 1.0 has no way to write most control characters, not even as a reference.
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD")
    .replace(/[&<>\r]/g, (character) => entities[character] as string);
}
