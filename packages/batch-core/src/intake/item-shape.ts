import * as z from "zod";
import type { AnyOperation } from "../operation/operation.ts";

/** The types that a schema accepts for a value; `any` if it does not restrict them. */
export type Kind = "string" | "number" | "integer" | "boolean" | "object" | "array" | "null" | "any";

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The shape of an operation's items, which decides how they are read. */
export interface ItemShape {
  /** Integers that are their own keys. They take the fast path. */
  integers: boolean;
  /** Objects, whose fields are the columns of a table. */
  objects: boolean;
  /** Returns the types of a field of an object item, for example `["cc_data", "id"]`. */
  kindsAt(path: readonly string[]): Set<Kind>;
}

export function describeItem(operation: AnyOperation): ItemShape {
  const schema = toSchema(operation);
  const kinds = findKinds([schema]);
  return {
    integers: kinds.size === 1 && kinds.has("integer") && operation.key(1) === 1,
    objects: kinds.has("object"),
    kindsAt: (path) => findKinds(path.reduce(findField, [schema])),
  };
}

/**
 * Returns the columns of a table of items. For objects: each field, and `cc_data.*` for fields of any name. For other items: the names
 * of the one column that holds the item, in order of precedence.
 */
export function tableColumns(operation: AnyOperation): string[] {
  const schema = toSchema(operation);
  if (!findKinds([schema]).has("object")) return [...(operation.columns ?? []), "id"];
  const columns = new Set<string>();
  const collect = (schemas: readonly JsonSchema[], path: readonly string[]) => {
    for (const { properties = {}, additionalProperties } of parts(schemas)) {
      for (const [name, field] of Object.entries(properties)) visit(field as JsonSchema, [...path, name]);
      if (path.length > 0 && typeof additionalProperties === "object") columns.add([...path, "*"].join("."));
    }
  };
  const visit = (field: JsonSchema, path: readonly string[]) => {
    if (findKinds([field]).has("object")) collect([field], path);
    else columns.add(path.join("."));
  };
  collect([schema], []);
  return [...columns];
}

const toSchema = (operation: AnyOperation) =>
  z.toJSONSchema(operation.item, { unrepresentable: "any", io: "input" }) as JsonSchema;

/** Yields schemas and the schemas that they are composed of. */
function parts(schemas: readonly JsonSchema[]): JsonSchema[] {
  return schemas.flatMap((schema) => {
    const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])] as JsonSchema[];
    return inner.length === 0 ? [schema] : [schema, ...parts(inner)];
  });
}

function findField(schemas: readonly JsonSchema[], name: string): JsonSchema[] {
  return parts(schemas).flatMap(({ properties, additionalProperties }) => {
    const field = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    return typeof field === "object" ? [field as JsonSchema] : [];
  });
}

function findKinds(schemas: readonly JsonSchema[]): Set<Kind> {
  const kinds = new Set<Kind>();
  for (const schema of parts(schemas)) {
    if (schema.type !== undefined) kinds.add(schema.type as Kind);
    else if (schema.const !== undefined) kinds.add(typeof schema.const as Kind);
    else if (schema.enum) for (const value of schema.enum) kinds.add(typeof value as Kind);
    else if (!schema.anyOf && !schema.oneOf && !schema.allOf) kinds.add("any");
  }
  return kinds;
}
