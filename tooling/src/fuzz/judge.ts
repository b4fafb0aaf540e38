import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { type Document, type Response, resolve } from "./document.ts";
import type { FuzzRequest } from "./mutations.ts";

/** A reply that was read to its end. */
export interface FuzzReply {
  status: number;
  headers: Headers;
  text: string;
  /** Milliseconds from the request to the end of the body. */
  ms: number;
}

export interface JudgeOptions {
  /** Reads a body of a media type for the schema at this reference; without one, JSON and texts are read. */
  decoders?: Record<string, (text: string, route: string | undefined) => unknown>;
  /** How requests that are for no operation of the document are answered. */
  elsewhere: Record<string, Response>;
}

/** Longest time that an answer may take. */
export const slowestMs = 2000;

const formats = {
  "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  email: true,
  uri: true,
} as const;

/** Returns what is wrong with a reply by the document; undefined if nothing is. */
export type Judge = (request: FuzzRequest, reply: FuzzReply) => string | undefined;

export function createJudge(document: Document, { decoders = {}, elsewhere }: JudgeOptions): Judge {
  const ajv = new Ajv2020({ strict: false, formats });
  ajv.addSchema({ ...document, elsewhere }, "document");
  const validators = new Map<string, ValidateFunction>();
  const base = (document.servers?.[0]?.url ?? "/").replace(/\/$/, "");
  const routes = Object.entries(document.paths).map(([path, operations]) => ({
    path,
    operations,
    pattern: new RegExp(`^${(base + path).replaceAll(/\{\w+\}/g, "[^/]+").replaceAll(/[.]/g, "\\.")}$`),
  }));

  function validator(pointer: string): ValidateFunction {
    const known = validators.get(pointer) ?? ajv.compile({ $ref: `document#${pointer}` });
    validators.set(pointer, known);
    return known;
  }

  /** The responses of the operation that a request is for, with the place in the document. */
  function responsesTo({ method, target }: FuzzRequest) {
    const path = normalized(target);
    const at = routes.filter(({ pattern }) => pattern.test(path));
    // A path without parameters goes before one with them.
    at.sort((a, b) => Number(a.path.includes("{")) - Number(b.path.includes("{")));
    const asked = method.toLowerCase();
    // HEAD is answered as GET, without the body, if nothing else is said.
    const verb = asked === "head" && !at.some((route) => "head" in route.operations) ? "get" : asked;
    const found = at.find(({ operations }) => verb in operations);
    if (!found) return { responses: elsewhere, pointer: "/elsewhere" };
    const pointer = `/paths/${encoded(found.path)}/${verb}/responses`;
    return { responses: found.operations[verb]?.responses ?? {}, pointer, route: `${method} ${found.path}` };
  }

  return (request, reply) => {
    if (reply.ms > slowestMs) return `took ${Math.round(reply.ms)} ms`;
    const { responses, pointer, route } = responsesTo(request);
    const key = [String(reply.status), "default"].find((status) => status in responses);
    if (key === undefined) return `status ${reply.status} is not documented${route ? ` for ${route}` : " elsewhere"}`;
    const response = resolve(document, responses[key] as object) as { content?: Record<string, object> };
    if (!response.content || request.method === "HEAD") {
      return reply.text === "" ? undefined : `status ${reply.status} is documented without a body`;
    }
    const type = reply.headers.get("content-type")?.split(";")[0]?.trim() ?? "";
    if (!(type in response.content)) return `media type ${type} is not documented for status ${reply.status}`;
    const decode = decoders[type] ?? (/[/+]json$/.test(type) ? (text: string): unknown => JSON.parse(text) : String);
    let body: unknown;
    try {
      body = decode(reply.text, route);
    } catch (error) {
      return `the body cannot be read: ${String(error)}`;
    }
    const ref = (responses[key] as { $ref?: string }).$ref;
    const place = ref ? ref.slice(1) : `${pointer}/${key}`;
    const validate = validator(`${place}/content/${encoded(type)}/schema`);
    if (validate(body)) return undefined;
    return `the body is not as documented: ${ajv.errorsText(validate.errors)}`;
  };
}

const encoded = (name: string) => encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"));

/** The path as the servers read it: doubled slashes and one at the end do not count, escapes are read. */
function normalized(target: string): string {
  const { pathname } = new URL(`http://localhost${target}`);
  const path = pathname.replaceAll(/\/{2,}/g, "/").replace(/(.)\/$/, "$1");
  return path.replaceAll(/(%[\da-f]{2})+/gi, (escapes) => {
    try {
      // An escaped slash ends no segment.
      return decodeURI(escapes);
    } catch {
      return escapes;
    }
  });
}
