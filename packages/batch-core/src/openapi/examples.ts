import type { Json } from "./schemas.ts";

/** A call as the documents show it, on the records and keys of the demo, with the reply that the demo gives. */
export interface ExampleCall {
  operationId: string;
  /** Name of the case. The first call of an operation is shown as a command and, with `client`, as a program. */
  name: string;
  /** When to use the operation. Of its first call. */
  use?: string;
  /** Parts of the path by name. */
  path?: Record<string, string | number>;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** JSON, or text if `headers` has a `Content-Type`. */
  body?: unknown;
  /** The same call by the package's client: an expression on `client`. */
  client?: string;
  /** The demo cannot give this reply, such as one of work in the background. It is checked against its schema alone. */
  illustration?: boolean;
  /** The reply is a shortened one. */
  trimmed?: boolean;
  /** The reply of the demo. A body that is not JSON is a text; an empty body is null. */
  reply?: { status: number; body: unknown };
}

/** The example calls of an API, in the order in which they can be made. */
export interface Examples {
  style: ExampleStyle;
  calls: readonly ExampleCall[];
}

/** How the example calls of an API are shown. */
export interface ExampleStyle {
  /** Address of the demo, with the path of the server. */
  baseUrl: string;
  /** Headers of every call, with a key of the demo. */
  headers: Record<string, string>;
  /** Lines of a program that make `client`. */
  client?: readonly string[];
}

/** Returns the path of an example call with its query. */
export function toExamplePath(path: string, { path: parts = {}, query = {} }: ExampleCall): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? name));
  const search = new URLSearchParams(query).toString();
  return search === "" ? filled : `${filled}?${search}`;
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** Returns an example call as a command of a shell. */
export function toCurl(
  { method, path }: { method: string; path: string },
  example: ExampleCall,
  { baseUrl, headers: common }: ExampleStyle,
): string {
  const { body } = example;
  const headers = {
    ...common,
    ...(body !== undefined && { "Content-Type": "application/json" }),
    ...example.headers,
  };
  return [
    `curl ${method === "GET" ? "" : `-X ${method} `}${quote(baseUrl + toExamplePath(path, example))}`,
    ...Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : [`--data-binary ${quote(typeof body === "string" ? body : JSON.stringify(body))}`]),
  ].join(" \\\n  ");
}

/** Joins the parts of a description that exist. */
export const joinParagraphs = (...parts: (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== "").join("\n\n");

/** Returns the description of an operation: when to use it, what it does, and its first example as command and program. */
export function describeWithExample(
  route: { method: string; path: string; description?: string | undefined },
  example: ExampleCall,
  style: ExampleStyle,
): string {
  const { use, client } = example;
  const program = client && style.client && [...style.client, `console.log(await ${client});`].join("\n");
  return joinParagraphs(
    use,
    route.description,
    `\`\`\`sh\n${toCurl(route, example, style)}\n\`\`\``,
    program && `\`\`\`ts\n${program}\n\`\`\``,
  );
}

/** Adds the example calls of an operation to its entry in the document: request bodies, parameters and replies. */
export function addExamples(operation: Json, calls: readonly ExampleCall[]): Json {
  const { parameters, requestBody, responses } = operation as {
    parameters?: Json[];
    requestBody?: { content: Record<string, Json> };
    responses: Record<string, { content?: Record<string, Json> }>;
  };
  for (const { name, path = {}, query = {}, headers = {}, body, reply } of calls) {
    const values: Record<string, unknown> = { ...path, ...query, ...headers };
    for (const parameter of parameters ?? []) {
      const value = values[parameter.name as string];
      if (value !== undefined && parameter.example === undefined) parameter.example = fitType(value, parameter);
    }
    if (body !== undefined && requestBody) {
      addExample(requestBody.content[headers["Content-Type"] ?? "application/json"], name, body);
    }
    if (reply === undefined || reply.body === null) continue;
    const content = responses[String(reply.status)]?.content ?? {};
    const [type] = Object.keys(content);
    if (type !== undefined) addExample(content[type], name, reply.body);
  }
  return operation;
}

function addExample(content: Json | undefined, name: string, value: unknown): void {
  if (content) content.examples = { ...(content.examples as Json), [name]: { value } };
}

/** Returns a value of the type that the schema of a parameter names. */
function fitType(value: unknown, { schema }: Json): unknown {
  const { type } = (schema ?? {}) as Json;
  if (type === "integer" || type === "number") return Number(value);
  if (type === "boolean") return value === "true";
  if (type === "string") return String(value);
  return value;
}
