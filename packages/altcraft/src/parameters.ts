import { messageOf } from "@reinstate/batch-core";
import * as z from "zod";
import { Refusal } from "./errors.ts";
import { commonParameters } from "./method-table.ts";
import type { Method } from "./methods.ts";
import type { AltcraftSettings } from "./options.ts";
import { batchLimit, describeIssue } from "./schemas.ts";
import { readXmlInTurns, requestLimits, type XmlLimits } from "./xml.ts";
import { readValue } from "./xml-values.ts";

/** A request body, read but not yet checked against its method. */
export interface Given {
  token: string | undefined;
  format: string | undefined;
  /** The format that the body is written in. */
  written: "json" | "xml";
  /** The method's parameters. Throws a `Refusal` that names the first field that is wrong. */
  parse(): unknown;
}

/**
 * Reads a body as JSON or XML: as its Content-Type says, otherwise as its first character does. Throws a `Refusal`.
 */
export async function readParameters(
  text: string,
  declared: "json" | "xml" | undefined,
  method: Method,
  settings: AltcraftSettings,
): Promise<Given> {
  const written = declared ?? (/^\s*</.test(text) ? "xml" : "json");
  const body = written === "xml" ? await fromXml(text, method, settings) : fromJson(text);
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  const { token, format } = checked(commonParameters, given);
  return {
    token,
    format,
    written,
    parse() {
      if (settings.unknownParameters === "refused") refuseUnknown(given, method);
      return checked(method.parameters, given);
    },
  };
}

function checked<Output>(schema: z.ZodType<Output>, given: unknown): Output {
  const parsed = schema.safeParse(given, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new Refusal("bad_request", describeIssue(parsed.error.issues[0]));
}

function fromJson(text: string): object {
  let body: unknown;
  try {
    body = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, and with it perhaps the token.
    throw new Refusal("bad_request", "the body is not JSON");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new Refusal("bad_request", "the body must be an object");
  }
  return body;
}

async function fromXml(text: string, method: Method, settings: AltcraftSettings): Promise<object> {
  // A body whose type was not declared has been read under the limit of JSON.
  const limit = xmlLimit(method, settings);
  if (Buffer.byteLength(text) > limit) throw new Refusal("too_large", `The body is larger than ${limit} bytes`);
  try {
    const root = await readXmlInTurns(text, method.bulk ? bulkLimits : requestLimits);
    if (root.name !== "xml") throw new Refusal("bad_request", "the root element must be <xml>");
    if (root.text !== "") throw new Refusal("bad_request", "the root element must hold elements");
    return readValue(root, method.body) as object;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal("bad_request", `the body is not XML that is accepted: ${messageOf(error)}`);
  }
}

/** Bytes of an XML body of this method at most. */
export const xmlLimit = (method: Method, settings: AltcraftSettings): number =>
  method.bulk ? settings.xmlBatchBodyLimit : settings.xmlBodyLimit;

// As many elements as the largest batch may have, and no item more than any other request.
const bulkLimits: XmlLimits = { ...requestLimits, elements: batchLimit * 32 };

function refuseUnknown(given: Record<string, unknown>, method: Method): void {
  const known = new Set(namesOf(method.body));
  const stranger = Object.keys(given).find((name) => !known.has(name));
  if (stranger !== undefined) throw new Refusal("bad_request", `field ${JSON.stringify(stranger)}: is not known here`);
}

function namesOf(schema: z.ZodType): string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(namesOf);
  if (schema instanceof z.ZodIntersection) {
    return [schema.def.left, schema.def.right].flatMap((side) => namesOf(side as z.ZodType));
  }
  return [];
}
