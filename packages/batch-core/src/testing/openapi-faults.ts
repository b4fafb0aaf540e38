import * as z from "zod";

interface Operation {
  operationId: string;
  summary: string;
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>;
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, object>>;
}

/**
 * Returns the faults of an OpenAPI document of `assembleOpenApi`: broken references, unused components, repeated operation ids,
 * summaries of more than 60 characters.
 */
export function findOpenApiFaults(given: object): string[] {
  const document = given as Document;
  const text = JSON.stringify(document);
  const { securitySchemes: _, ...components } = document.components;
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  const ids = operations.map(({ operationId }) => operationId);
  return [
    ...[...text.matchAll(/"\$ref":"#\/([^"]+)"/g)]
      .map(([, path]) => path as string)
      .filter((path) => !follow(document, path))
      .map((path) => `${path}: nothing there`),
    ...Object.entries(components).flatMap(([kind, entries]) =>
      Object.keys(entries)
        .filter((name) => !text.includes(`"#/components/${kind}/${name}"`))
        .map((name) => `${kind}/${name}: nothing refers to it`),
    ),
    ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `${id}: stands twice`),
    ...operations.filter(({ summary }) => summary.length > 60).map(({ operationId }) => `${operationId}: long summary`),
  ];
}

/** Returns every call of a document as `GET /path/{id}`, sorted. */
export function listOpenApiCalls(given: object): string[] {
  const { paths } = given as Document;
  return Object.entries(paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .sort();
}

/**
 * Validates a body against the schema of a documented response. Returns the fault, or undefined. An undocumented status is a fault.
 */
export function checkOpenApiAnswer(
  given: object,
  { method, path, status, body }: { method: string; path: string; status: number; body: unknown },
): string | undefined {
  const document = given as Document;
  const responses: Operation["responses"] = document.paths[path]?.[method.toLowerCase()]?.responses ?? {};
  const named = responses[String(status)] ?? responses.default;
  if (!named) return `${method} ${path}: ${status} is not documented`;
  const response = named.$ref ? (follow(document, named.$ref.slice(2)) as typeof named) : named;
  const schema = Object.values(response.content ?? {})[0]?.schema;
  if (!schema) return body === null || body === "" ? undefined : `${method} ${path}: ${status} has no body`;
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas });
  const { error } = z.fromJSONSchema(JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/"))).safeParse(body);
  return error && `${method} ${path}: ${status}: ${error.message}`;
}

function follow(document: Document, path: string): unknown {
  return path.split("/").reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document);
}
