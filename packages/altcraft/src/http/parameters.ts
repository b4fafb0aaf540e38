import { toMessage } from "@reinstate/batch-core";
import {
  ApiError,
  type FlagField,
  findFlags,
  findFlagsInSlices,
  readJsonInSlices,
  readSafetyFlags,
  resemblesSafetyFlag,
  safetyFlagNamed,
  safetyFlags,
  withSafetyFlags,
} from "@reinstate/batch-core/http";
import type * as z from "zod";
import type { AltcraftSettings } from "../options.ts";
import { batchLimit, describeIssue } from "../schemas.ts";
import { findExcess, requestLimits, type XmlLimits } from "./body-limits.ts";
import { apiError } from "./errors.ts";
import type { Method } from "./methods/method.ts";
import { commonParameters } from "./methods/method-table.ts";
import { withoutNulls } from "./methods/nulls.ts";
import { describeUnknownField } from "./unknown-fields.ts";
import { readXmlInTurns, type XmlElement } from "./xml.ts";
import { readValue } from "./xml-values.ts";

/** A request body, read but not yet checked against its method. */
export interface Given {
  token: string | undefined;
  format: string | undefined;
  /** The format that the body is written in. */
  written: "json" | "xml";
  /** The method's parameters. Throws an `ApiError` that names the first field that is wrong. */
  parse(): unknown;
}

/**
 * Reads a body as JSON or XML: as its Content-Type says, otherwise as its first character does. Throws an `ApiError`.
 */
export async function readParameters(
  request: Request,
  text: string,
  declared: "json" | "xml" | undefined,
  method: Method,
  settings: AltcraftSettings,
): Promise<Given> {
  const written = declared ?? (/^\s*</.test(text) ? "xml" : "json");
  const { body, fields } = written === "xml" ? await fromXml(text, method, settings) : await fromJson(text, method);
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
          throw apiError("bad_request", `field ${JSON.stringify(name)}: must not be empty`);
        }
      }
      if (method.strict || settings.unknownParameters === "refused") refuseUnknown(given, method);
      const flags = readSafetyFlags(
        { place: "header", fields: findFlags(request.headers) },
        { place: "query", fields: findFlags(new URL(request.url).searchParams) },
        { place: "body", fields, supported: safetyFlags.filter((flag) => method.names.has(flag)) },
      );
      return checked(method.parameters, withSafetyFlags(given, flags));
    },
  };
}

function checked<Output>(schema: z.ZodType<Output>, given: unknown): Output {
  const parsed = schema.safeParse(given, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw apiError("bad_request", describeIssue(parsed.error.issues[0]));
}

/** A body with the fields in it that resemble a safety flag. */
interface Body {
  body: object;
  fields: FlagField[];
}

/** The parameters whose names inside are data: custom fields, and items, each of which is checked on its own. */
const readData = ({ names, bulk }: Method) => [
  ...(names.has("custom_fields") ? ["custom_fields"] : []),
  ...(bulk ? ["data"] : []),
];

async function fromJson(text: string, method: Method): Promise<Body> {
  const { bulk } = method;
  const excess = await findExcess(text, bulk ? bulkLimits : requestLimits);
  if (excess !== undefined) throw notAccepted(excess);
  const read = /\S/.test(text) ? await readJsonInSlices(text) : { value: {} };
  if (read.fault !== undefined) {
    // A message that quotes the body might show the token.
    throw read.quotes ? apiError("bad_request", "the body is not JSON") : notAccepted(read.fault);
  }
  const body = read.value;
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw apiError("bad_request", "the body must be an object");
  }
  return { body, fields: await findFlagsInSlices(body, { data: readData(method) }) };
}

const notAccepted = (fault: string) => apiError("bad_request", `the body is not JSON that is accepted: ${fault}`);

async function fromXml(text: string, method: Method, settings: AltcraftSettings): Promise<Body> {
  // A body whose type was not declared has been read under the limit of JSON.
  const limit = xmlLimit(method, settings);
  if (Buffer.byteLength(text) > limit) throw apiError("too_large", `The body is larger than ${limit} bytes`);
  try {
    const root = await readXmlInTurns(text, method.bulk ? bulkLimits : requestLimits);
    if (root.name !== "xml") throw apiError("bad_request", "the root element must be <xml>");
    if (root.text !== "") throw apiError("bad_request", "the root element must hold elements");
    return { body: readValue(root, method.body) as object, fields: flagsInXml(root, readData(method)) };
  } catch (error) {
    if (ApiError.is(error)) throw error;
    throw apiError("bad_request", `the body is not XML that is accepted: ${toMessage(error)}`);
  }
}

/** Finds the elements and attributes whose names resemble a safety flag, at any depth. `data`: elements in which none is looked for. */
function flagsInXml(element: XmlElement, data: readonly string[], path: readonly string[] = []): FlagField[] {
  const attributes = findFlags((element.attributes ?? []).map((name) => [`@${name}`, undefined]));
  const children = element.children.filter(({ name }) => path.length > 0 || !data.includes(name));
  return [
    ...attributes,
    ...children.flatMap((child) => {
      const at = [...path, child.name];
      const value = child.children.length === 0 ? child.text : child.children.map(({ name }) => name);
      return resemblesSafetyFlag(child.name) ? [{ path: at, value }] : flagsInXml(child, data, at);
    }),
  ];
}

/** Bytes of an XML body of this method at most. */
export const xmlLimit = (method: Method, settings: AltcraftSettings): number =>
  method.bulk ? settings.xmlBatchBodyLimit : settings.xmlBodyLimit;

// As many as the largest batch may have, sixteen for each of its items.
const bulkLimits: XmlLimits = { ...requestLimits, values: batchLimit * 16, children: batchLimit + 64 };

function refuseUnknown(given: Record<string, unknown>, method: Method): void {
  const stranger = Object.keys(given).find((name) => !method.names.has(safetyFlagNamed(name) ?? name));
  if (stranger !== undefined) throw apiError("bad_request", describeUnknownField(stranger));
}
