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
import { batchLimit } from "../schemas/extensions.ts";
import { describeIssue } from "../schemas/identity.ts";
import { requestLimits, type XmlLimits } from "./body-limits.ts";
import { apiError } from "./errors.ts";
import { findExcess } from "./json-excess.ts";
import type { Method } from "./methods/method.ts";
import { commonParameters, type MethodRow } from "./methods/method-table.ts";
import { withoutNulls } from "./methods/nulls.ts";
import { describeUnknownField } from "./unknown-fields.ts";
import { readXmlYielding, type XmlElement } from "./xml.ts";
import { readValue } from "./xml-values.ts";

/** A request body that is parsed but not yet validated against its method. */
export interface ParsedBody {
  token: string | undefined;
  format: string | undefined;
  /** Format of the body. */
  written: "json" | "xml";
  /**
   * Returns the method's parameters.
   *
   * @throws `ApiError` that names the first invalid field
   */
  parse(): unknown;
}

/**
 * Parses a body as JSON or XML. The Content-Type decides, otherwise the first character of the body.
 *
 * @throws `ApiError` if the body cannot be parsed
 */
export async function readParameters(
  request: Request,
  text: string,
  declared: "json" | "xml" | undefined,
  method: Method,
  settings: AltcraftSettings,
): Promise<ParsedBody> {
  const written = declared ?? (/^\s*</.test(text) ? "xml" : "json");
  const { body, fields } = written === "xml" ? await fromXml(text, method, settings) : await fromJson(text, method);
  const members = withoutNulls(body);
  const { token, format } = validate(commonParameters, members);
  return {
    token,
    format,
    written,
    parse() {
      for (const name of method.filters ?? []) {
        // A null filter must not widen the scope, so it is rejected instead of ignored.
        if (Object.hasOwn(body, name) && !Object.hasOwn(members, name)) {
          throw apiError("bad_request", `field ${JSON.stringify(name)}: must not be empty`);
        }
      }
      if (method.strict || settings.unknownParameters === "refused") rejectUnknown(members, method);
      const flags = readSafetyFlags(
        { place: "header", fields: findFlags(request.headers) },
        { place: "query", fields: findFlags(new URL(request.url).searchParams) },
        { place: "body", fields, supported: safetyFlags.filter((flag) => method.names.has(flag)) },
      );
      return validate(method.parameters, withSafetyFlags(members, flags));
    },
  };
}

function validate<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw apiError("bad_request", describeIssue(parsed.error.issues[0]));
}

/** A body with its fields that resemble a safety flag. */
interface Body {
  body: object;
  fields: FlagField[];
}

/** Returns the parameters whose inner names are data: custom fields, and items, which are validated one by one. */
const listDataParameters = ({ names, bulk }: Method) => [
  ...(names.has("custom_fields") ? ["custom_fields"] : []),
  ...(bulk ? ["data"] : []),
];

async function fromJson(text: string, method: Method): Promise<Body> {
  const { bulk } = method;
  const excess = await findExcess(text, bulk ? bulkLimits : requestLimits);
  if (excess !== undefined) throw toJsonError(excess);
  const read = /\S/.test(text) ? await readJsonInSlices(text) : { value: {} };
  if (read.fault !== undefined) {
    // A message that quotes the body might expose the token.
    throw read.quotes ? apiError("bad_request", "the body is not JSON") : toJsonError(read.fault);
  }
  const body = read.value;
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw apiError("bad_request", "the body must be an object");
  }
  return { body, fields: await findFlagsInSlices(body, { data: listDataParameters(method) }) };
}

const toJsonError = (fault: string) => apiError("bad_request", `the body is not JSON that is accepted: ${fault}`);

async function fromXml(text: string, method: Method, settings: AltcraftSettings): Promise<Body> {
  // A body without a declared type was read under the limit of JSON.
  const limit = getXmlLimit(method, settings);
  if (Buffer.byteLength(text) > limit) throw apiError("too_large", `The body is larger than ${limit} bytes`);
  try {
    const root = await readXmlYielding(text, method.bulk ? bulkLimits : requestLimits);
    if (root.name !== "xml") throw apiError("bad_request", "the root element must be <xml>");
    if (root.text !== "") throw apiError("bad_request", "the root element must hold elements");
    return { body: readValue(root, method.body) as object, fields: findFlagsInXml(root, listDataParameters(method)) };
  } catch (error) {
    if (ApiError.is(error)) throw error;
    throw apiError("bad_request", `the body is not XML that is accepted: ${toMessage(error)}`);
  }
}

/** Finds elements and attributes whose names resemble a safety flag, at any depth. Elements named in `data` are not searched. */
function findFlagsInXml(element: XmlElement, data: readonly string[], path: readonly string[] = []): FlagField[] {
  const attributes = findFlags((element.attributes ?? []).map((name) => [`@${name}`, undefined]));
  const children = element.children.filter(({ name }) => path.length > 0 || !data.includes(name));
  return [
    ...attributes,
    ...children.flatMap((child) => {
      const at = [...path, child.name];
      const value = child.children.length === 0 ? child.text : child.children.map(({ name }) => name);
      return resemblesSafetyFlag(child.name) ? [{ path: at, value }] : findFlagsInXml(child, data, at);
    }),
  ];
}

/** Returns the largest XML body of a method, in bytes. */
export const getXmlLimit = (method: Pick<MethodRow, "bulk">, settings: AltcraftSettings): number =>
  method.bulk ? settings.xmlBatchBodyLimit : settings.xmlBodyLimit;

// The largest batch, with sixteen values for each item.
const bulkLimits: XmlLimits = { ...requestLimits, values: batchLimit * 16, children: batchLimit + 64 };

function rejectUnknown(members: Record<string, unknown>, method: Method): void {
  const unknownField = Object.keys(members).find((name) => !method.names.has(safetyFlagNamed(name) ?? name));
  if (unknownField !== undefined) throw apiError("bad_request", describeUnknownField(unknownField));
}
