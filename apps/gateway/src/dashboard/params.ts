import type { AnyOperation } from "@reinstate/batch-core";
import * as z from "zod";

/** A param of an operation as a field of a form. */
export interface ParamField {
  name: string;
  kind: "boolean" | "choice" | "number" | "text" | "json";
  isRequired: boolean;
  /** The values of a choice. */
  options: string[];
  description: string | undefined;
  /** The initial value of the field. */
  usual: string | undefined;
}

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** Lists the params of an operation, in the order of its schema. */
export function listParams(operation: AnyOperation): ParamField[] {
  const schema = z.toJSONSchema(operation.params, { unrepresentable: "any", io: "input" }) as JsonSchema;
  const required = schema.required ?? [];
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const parts = listParts(property as JsonSchema);
    return {
      name,
      kind: findKind(parts),
      isRequired: required.includes(name),
      options: parts.flatMap(({ enum: values = [] }) => values.map(String)),
      description: (property as JsonSchema).description,
      usual: operation.usualParams?.[name] === undefined ? undefined : String(operation.usualParams[name]),
    };
  });
}

const listParts = (schema: JsonSchema): JsonSchema[] =>
  [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])] as JsonSchema[];

function findKind(parts: readonly JsonSchema[]): ParamField["kind"] {
  const has = (type: string) => parts.some((part) => part.type === type);
  if (has("boolean")) return "boolean";
  if (parts.some(({ enum: values }) => values !== undefined)) return "choice";
  if (has("integer") || has("number")) return "number";
  return has("object") || has("array") ? "json" : "text";
}

/**
 * Returns the params that a form holds, for the operation's own schema to check. Empty fields are left out; a box that is not checked
 * is `false` if the param is required.
 */
export function readParams(fields: readonly ParamField[], form: Readonly<Record<string, string>>): object {
  const params: Record<string, unknown> = {};
  for (const { name, kind, isRequired } of fields) {
    const text = form[`param.${name}`];
    if (kind === "boolean") {
      if (text !== undefined || isRequired) params[name] = text === "true";
    } else if (text !== undefined && text.trim() !== "") params[name] = readValue(kind, text.trim());
  }
  return params;
}

/** A text that is no number or no JSON stays as it is, and the schema rejects it with its own words. */
function readValue(kind: ParamField["kind"], text: string): unknown {
  if (kind === "number") return /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : text;
  if (kind !== "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
