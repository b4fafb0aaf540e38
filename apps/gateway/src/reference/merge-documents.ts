import type { Json } from "@reinstate/batch-core/openapi";

/** One API of the gateway. */
export interface ApiPart {
  /** Comes before the names of its components and operations: `firstpromoter.Promoter`. */
  name: string;
  /** Comes before its tags: `FirstPromoter: Promoters`. */
  label: string;
  /** Its own OpenAPI 3.1 document. */
  document: Json;
}

interface Operation extends Json {
  operationId: string;
  tags: string[];
  security?: Record<string, unknown>[];
}

interface ApiDocument {
  servers?: { url: string }[];
  security?: Record<string, unknown>[];
  tags?: { name: string; description: string }[];
  paths: Record<string, Record<string, Operation>>;
  components?: Record<string, Record<string, unknown>>;
}

/** Merges the documents of several APIs into one. Names get the prefix of their API, paths that of its server. */
export function mergeDocuments(head: Json, parts: readonly ApiPart[]): Json {
  const paths: Record<string, Json> = {};
  const components: Record<string, Json> = {};
  const tags = new Map<string, Json>();
  for (const part of parts) {
    const { servers, security, tags: described = [], paths: own, components: parted = {} } = readPart(part);
    const prefix = (servers?.[0]?.url ?? "").replace(/\/+$/, "");
    for (const [path, operations] of Object.entries(own)) {
      paths[prefix + path] ??= {};
      const target = paths[prefix + path] as Json;
      for (const [method, operation] of Object.entries(operations)) {
        if (method in target) throw new Error(`${method} ${prefix}${path} is documented twice`);
        target[method] = renameOperation(part, operation, security);
        for (const tag of operation.tags) {
          const description = described.find(({ name }) => name === tag)?.description;
          tags.set(toTag(part, tag), { name: toTag(part, tag), ...(description && { description }) });
        }
      }
    }
    for (const [kind, entries] of Object.entries(parted)) {
      const renamed = Object.entries(entries).map(([name, entry]) => [`${part.name}.${name}`, entry]);
      components[kind] = { ...components[kind], ...Object.fromEntries(renamed) };
    }
  }
  return { openapi: "3.1.0", ...head, tags: [...tags.values()], paths, components };
}

const toTag = ({ label }: ApiPart, tag: string) => (tag === label ? label : `${label}: ${tag}`);

/** Returns a copy of the document whose references have the prefix of the part. */
function readPart({ name, document }: ApiPart): ApiDocument {
  return JSON.parse(JSON.stringify(document), (key, value) =>
    key === "$ref" && typeof value === "string"
      ? value.replace(/^(#\/components\/\w+\/)/, (start) => `${start}${name}.`)
      : value,
  ) as ApiDocument;
}

function renameOperation(part: ApiPart, operation: Operation, common: ApiDocument["security"]): Json {
  const { operationId, tags, security = common ?? [] } = operation;
  return {
    ...operation,
    operationId: `${part.name}.${operationId}`,
    tags: tags.map((tag) => toTag(part, tag)),
    security: security.map((schemes) =>
      Object.fromEntries(Object.entries(schemes).map(([scheme, scopes]) => [`${part.name}.${scheme}`, scopes])),
    ),
  };
}
