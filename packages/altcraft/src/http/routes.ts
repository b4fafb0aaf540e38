import type { Host, Key } from "@reinstate/batch-core";
import { admitCalls, cleanPath, readCredentials } from "@reinstate/batch-core/http";
import { type Context, Hono } from "hono";
import type { AltcraftSettings } from "../options.ts";
import { createDeduplication, type SentReply } from "./deduplication.ts";
import { answerError, apiError, toErrorReply } from "./errors.ts";
import type { Method } from "./methods/method.ts";
import { success } from "./methods/reply.ts";
import { getXmlLimit, readParameters } from "./parameters.ts";
import { readText } from "./read-body.ts";
import { writeXml } from "./xml.ts";

export const basePath = "/api/v1.1";

export type Format = "json" | "xml";

interface Env {
  /** Format of the reply; undefined until the body has been parsed. */
  Variables: { format?: Format };
}

/** Creates the vendor's HTTP API. Every method is `POST /api/v1.1/<method>`, with or without a trailing slash. */
export function createRoutes(host: Host, methods: readonly Method[], settings: AltcraftSettings): Hono<Env> {
  const deduplication = createDeduplication(host, settings);
  const byName = new Map(methods.map((method) => [method.name, method]));
  const routes = new Hono<Env>({ getPath: cleanPath });

  function createReply(
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

  async function authorize(request: Request, token: string, method: Method): Promise<Key> {
    if (token === "") throw apiError("token_required");
    const key = await findKey(request, token);
    if (!mayCall(key, method)) throw apiError("forbidden", `the token may not call ${method.name}`);
    return key;
  }

  /**
   * Handles a call. The order of the checks decides which error a call with several faults gets. errors.ts has the codes and texts.
   *
   * 1. Admission: too many requests, or a busy server (`admitCalls`, before this function).
   * 2. The method's name, then POST.
   * 3. A token outside the body, so that an unknown caller is rejected before its body is read.
   * 4. The body: charset, size, a token in a long body, UTF-8, JSON or XML with its limits.
   * 5. The types of `token` and `format`, then the value of `format`, which decides the format of all later errors.
   * 6. The token: missing, unknown, without the right to the method.
   * 7. The parameters: empty filters, unknown fields, safety flags, then the method's schema (`ParsedBody.parse`).
   * 8. The `Request-ID`: malformed, used for another request, or of a request in progress.
   * 9. The method itself: a missing reason, consent, erased subscriptions, missing ones, the state of the subscription.
   */
  async function handle(c: Context<Env>): Promise<Response> {
    const request = c.req.raw;
    const url = new URL(request.url);
    const declared = readDeclaredFormat(request);
    const method = byName.get(methodName(c.req.path));
    if (!method) throw apiError("no_such_method");
    if (request.method !== "POST") throw apiError("post_only");
    const outsideToken = readCredentials(request, "bearer")?.secret ?? url.searchParams.get("token") ?? "";
    // Performance: checked before the body is read, so an unknown caller costs little.
    if (outsideToken !== "") await findKey(request, outsideToken);
    const limit = declared === "xml" ? getXmlLimit(method, settings) : settings.jsonBodyLimit;
    const text = await readText(request, limit, (token) => findKey(request, token));
    const body = await readParameters(request, text, declared, method, settings);
    const format = resolveFormat(url.searchParams, body, settings);
    c.set("format", format);
    const key = await authorize(request, body.token || outsideToken, method);
    const parameters = body.parse();
    const execute = async () => {
      const { members, batch } = await method.handle(parameters, key);
      return createReply(format, 200, toEnvelope(members), {
        ...(batch !== undefined && { "x-reinstate-batch": String(batch) }),
      });
    };
    const identity = method.changes ? deduplication.identify(request.headers, url.searchParams) : undefined;
    return toResponse(
      identity
        ? await deduplication.once({ ...identity, tokenId: key.id, content: `${method.name}\n${text}` }, execute)
        : await execute(),
    );
  }

  routes.onError((error, c) =>
    answerError(error, { request: c.req.raw, log: host.log }, (known) => {
      const { status, body, headers } = toErrorReply(known, settings);
      return toResponse(createReply(c.get("format") ?? expectedFormat(c.req.raw, settings), status, body, headers));
    }),
  );
  routes.use(admitCalls(host.admission));

  // One route for each method, so that the router can list them. Everything else is rejected.
  for (const { name } of methods) routes.post(`${basePath}/${name}`, handle);
  routes.all("*", handle);

  return routes;
}

/** Returns whether a key may call a method. An option `methods` that is no list gives no right, so that a mistake does not give all. */
function mayCall({ options: { methods } }: Key, { name, restricted }: Method): boolean {
  if (methods === undefined) return !restricted;
  return Array.isArray(methods) && methods.includes(name);
}

const toResponse = ({ status, body, headers }: SentReply) => new Response(body, { status, headers });

/** Returns the envelope: `data`, then code and text, then all other members. */
function toEnvelope({ data, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return { ...(data !== undefined && { data }), ...success, ...rest };
}

const methodName = (path: string) => (path.startsWith(`${basePath}/`) ? path.slice(basePath.length + 1) : "");

/** Returns the format named by the Content-Type; undefined if it names neither. */
function readDeclaredFormat(request: Request): Format | undefined {
  const type = request.headers.get("content-type") ?? "";
  return /^ *(application|text)\/(json|xml) *(;|$)/i.exec(type)?.[2]?.toLowerCase() as Format | undefined;
}

const toFormat = (name: unknown): Format | undefined => (name === "json" || name === "xml" ? name : undefined);

const getDefaultFormat = ({ defaultFormat }: AltcraftSettings, requestFormat: Format): Format =>
  defaultFormat === "follow_request" ? requestFormat : defaultFormat;

/** Returns the format of an error reply before the body has been parsed. */
function expectedFormat(request: Request, settings: AltcraftSettings): Format {
  const named = toFormat(new URL(request.url).searchParams.get("format"));
  return named ?? getDefaultFormat(settings, readDeclaredFormat(request) ?? "json");
}

function resolveFormat(
  query: URLSearchParams,
  body: { format: unknown; written: Format },
  settings: AltcraftSettings,
): Format {
  const named = body.format ?? query.get("format") ?? undefined;
  if (named === undefined || named === "") return getDefaultFormat(settings, body.written);
  const format = toFormat(named);
  if (!format) throw apiError("bad_request", 'field "format": must be json or xml');
  return format;
}
