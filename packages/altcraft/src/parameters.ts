import { messageOf } from "@reinstate/batch-core";
import type * as z from "zod";
import { excessOf, requestLimits, type XmlLimits } from "./body-limits.ts";
import { notKnown, strangerIn } from "./body-names.ts";
import { Refusal } from "./errors.ts";
import { commonParameters } from "./method-table.ts";
import type { Method } from "./methods.ts";
import { withoutNulls } from "./nulls.ts";
import type { AltcraftSettings } from "./options.ts";
import { batchLimit, describeIssue } from "./schemas.ts";
import { readXmlInTurns } from "./xml.ts";
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
  const body = written === "xml" ? await fromXml(text, method, settings) : fromJson(text, method);
  const given = withoutNulls(body);
  const { token, format } = checked(commonParameters, given);
  return {
    token,
    format,
    written,
    parse() {
      for (const name of method.filters ?? []) {
        // Left out it would mean more, and whoever wrote it meant less.
        if (Object.hasOwn(body, name) && !Object.hasOwn(given, name)) {
          throw new Refusal("bad_request", `field ${JSON.stringify(name)}: must not be empty`);
        }
      }
      if (method.strict || settings.unknownParameters === "refused") refuseUnknown(given, method);
      return checked(method.parameters, given);
    },
  };
}

function checked<Output>(schema: z.ZodType<Output>, given: unknown): Output {
  const parsed = schema.safeParse(given, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new Refusal("bad_request", describeIssue(parsed.error.issues[0]));
}

function fromJson(text: string, { bulk }: Method): object {
  const excess = excessOf(text, bulk ? bulkLimits : requestLimits);
  if (excess !== undefined) throw new Refusal("bad_request", `the body is not JSON that is accepted: ${excess}`);
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

// As many as the largest batch may have, sixteen for each of its items.
const bulkLimits: XmlLimits = { ...requestLimits, values: batchLimit * 16, children: batchLimit + 64 };

function refuseUnknown(given: Record<string, unknown>, method: Method): void {
  const stranger = strangerIn(given, method.names);
  if (stranger !== undefined) throw new Refusal("bad_request", notKnown(stranger));
}
