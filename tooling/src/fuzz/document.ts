/** The part of JSON Schema that is read to make requests. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  minItems?: number;
  maxItems?: number;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
}

/** By media type; a schema here only judges replies. */
type Content = Record<string, { schema: object }>;

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema?: JsonSchema;
}

export interface Response {
  $ref?: string;
  content?: Content;
}

export interface Operation {
  parameters?: (Parameter & { $ref?: string })[];
  requestBody?: { content: Content };
  /** By status; `default` stands for every other one. */
  responses: Record<string, Response>;
}

/** The part of an OpenAPI document that tells what a request may be and how it may be answered. */
export interface Document {
  servers?: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components?: Record<string, unknown>;
}

/** Follows the references of an object to what they name. */
export function resolve<Value extends object>(document: Document, given: Value): Value {
  let value = given;
  for (let ref = readRef(value); ref !== undefined; ref = readRef(value)) {
    value = ref
      .slice(2)
      .split("/")
      .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], document) as Value;
  }
  return value;
}

const readRef = (value: object) => (value as { $ref?: string }).$ref;
