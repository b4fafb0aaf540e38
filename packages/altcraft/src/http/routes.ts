import { setImmediate } from "node:timers/promises";
import type { Host, Key } from "@reinstate/batch-core";
import { admitCalls, cleanPath, decodeUtf8, readCredentials } from "@reinstate/batch-core/http";
import { type Context, Hono } from "hono";
import type { AltcraftSettings } from "../options.ts";
import { createDeduplication, type SentReply } from "./deduplication.ts";
import { answerError, apiError, toErrorReply } from "./errors.ts";
import type { Method } from "./methods/method.ts";
import { success } from "./methods/reply.ts";
import { readParameters, xmlLimit } from "./parameters.ts";
import { readUnknownBody } from "./token-scan.ts";
import { writeXml } from "./xml.ts";

/** Bytes of a body whose reading is cut into turns. */
const longBody = 100_000;

export const basePath = "/api/v1.1";

export type Format = "json" | "xml";

interface Env {
  /** The format of the reply, once the body has been read. */
  Variables: { format?: Format };
}

/** The vendor's HTTP API: every method is `POST /api/v1.1/<method>`, with or without a slash at the end. */
export function createRoutes(host: Host, methods: readonly Method[], settings: AltcraftSettings): Hono<Env> {
  const deduplication = createDeduplication(host, settings);
  const byName = new Map(methods.map((method) => [method.name, method]));
  const routes = new Hono<Env>({ getPath: cleanPath });

  function replyIn(
    format: Format,
    status: number,
    body: Record<string, unknown>,
    headers: Record<string, string>,
  ): SentReply {
    const text =
      format === "xml" ? writeXml(body, { declaration: settings.xmlDeclaration === "yes" }) : JSON.stringify(body);
    const type = format === "xml" ? settings.xmlContentType : settings.jsonContentType;
    return {
      status,
      body: text,
      headers: { "content-type": type, ...headers },
    };
  }

  async function findKey(request: Request, token: string): Promise<Key> {
    const key = await host.admission.findKey(request, "altcraft", token);
    if (!key) throw apiError("unknown_token");
    return key;
  }

  async function authorized(request: Request, token: string, method: Method): Promise<Key> {
    if (token === "") throw apiError("token_required");
    const key = await findKey(request, token);
    if (!mayCall(key, method)) throw apiError("forbidden", `the token may not call ${method.name}`);
    return key;
  }

  async function answer(c: Context<Env>): Promise<Response> {
    const request = c.req.raw;
    const url = new URL(request.url);
    const declared = declaredFormat(request);
    const method = byName.get(methodName(c.req.path));
    if (!method) throw apiError("no_such_method");
    if (request.method !== "POST") throw apiError("post_only");
    const outside = readCredentials(request, "bearer")?.secret ?? url.searchParams.get("token") ?? "";
    // Before the body is read: a stranger who shows his token costs nothing.
    if (outside !== "") await findKey(request, outside);
    const text = await bodyText(request, declared, method, settings, (token) => findKey(request, token));
    const given = await readParameters(request, text, declared, method, settings);
    const format = replyFormat(url.searchParams, given, settings);
    c.set("format", format);
    const key = await authorized(request, given.token || outside, method);
    const parameters = given.parse();
    const carryOut = async () => {
      const { members, batch } = await method.handle(parameters, key);
      return replyIn(format, 200, toEnvelope(members), {
        ...(batch !== undefined && { "x-reinstate-batch": String(batch) }),
      });
    };
    const identity = method.changes ? deduplication.identify(request.headers, url.searchParams) : undefined;
    return toResponse(
      identity
        ? await deduplication.once({ ...identity, tokenId: key.id, content: `${method.name}\n${text}` }, carryOut)
        : await carryOut(),
    );
  }

  routes.onError((error, c) =>
    answerError(error, { request: c.req.raw, log: host.log }, (known) => {
      const { status, body, headers } = toErrorReply(known, settings);
      return toResponse(replyIn(c.get("format") ?? expectedFormat(c.req.raw, settings), status, body, headers));
    }),
  );
  routes.use(admitCalls(host.admission));

  // Each method has a route of its own, so that the router lists what is served; all else is rejected.
  for (const { name } of methods) routes.post(`${basePath}/${name}`, answer);
  routes.all("*", answer);

  return routes;
}

/** A list of methods limits a key to them. What is no such list gives no right: a slip must not give them all. */
function mayCall({ options: { methods } }: Key, { name, restricted }: Method): boolean {
  if (methods === undefined) return !restricted;
  return Array.isArray(methods) && methods.includes(name);
}

const toResponse = ({ status, body, headers }: SentReply) => new Response(body, { status, headers });

/** `data` stands before the code and its text, everything else after them. */
function toEnvelope({ data, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return { ...(data !== undefined && { data }), ...success, ...rest };
}

const methodName = (path: string) => (path.startsWith(`${basePath}/`) ? path.slice(basePath.length + 1) : "");

/** The format that the Content-Type names; undefined where it names neither. */
function declaredFormat(request: Request): Format | undefined {
  const type = request.headers.get("content-type") ?? "";
  return /^ *(application|text)\/(json|xml) *(;|$)/i.exec(type)?.[2]?.toLowerCase() as Format | undefined;
}

const formatNamed = (name: unknown): Format | undefined => (name === "json" || name === "xml" ? name : undefined);

const defaultFormat = ({ defaultFormat }: AltcraftSettings, ofRequest: Format): Format =>
  defaultFormat === "follow_request" ? ofRequest : defaultFormat;

/** Returns the format of a reply as far as it is known before the body is read. */
function expectedFormat(request: Request, settings: AltcraftSettings): Format {
  const named = formatNamed(new URL(request.url).searchParams.get("format"));
  return named ?? defaultFormat(settings, declaredFormat(request) ?? "json");
}

function replyFormat(
  query: URLSearchParams,
  given: { format: unknown; written: Format },
  settings: AltcraftSettings,
): Format {
  const named = given.format ?? query.get("format") ?? undefined;
  if (named === undefined || named === "") return defaultFormat(settings, given.written);
  const format = formatNamed(named);
  if (!format) throw apiError("bad_request", 'field "format": must be json or xml');
  return format;
}

async function bodyText(
  request: Request,
  declared: Format | undefined,
  method: Method,
  settings: AltcraftSettings,
  checkToken: (token: string) => Promise<unknown>,
): Promise<string> {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(request.headers.get("content-type") ?? "")?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) throw apiError("bad_request", "the charset must be UTF-8");
  const limit = declared === "xml" ? xmlLimit(method, settings) : settings.jsonBodyLimit;
  const bytes = await readUnknownBody(request, limit, checkToken);
  const text = decodeUtf8(bytes);
  // A long body takes a turn of its own to decode.
  if (bytes.length > longBody) await setImmediate();
  if (text === undefined) throw apiError("bad_request", "the body is not UTF-8");
  return text;
}
