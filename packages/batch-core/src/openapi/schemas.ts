import * as z from "zod";

/** A part of an OpenAPI document. */
export type Json = Record<string, unknown>;

/** `input`: as a caller gives it, before defaults and coercions. `output`: as an answer has it. */
export type Direction = "input" | "output";

/** Turns the zod schemas of one API into JSON Schema, with the named ones as references. */
export interface SchemaWriter {
  /** The reference of a named schema. */
  reference(name: string): Json;
  /** A schema, or its reference where it has a name. */
  write(schema: z.ZodType, direction: Direction): Json;
  /** All named schemas by name, for `components.schemas`. */
  writeNamed(direction: Direction): Record<string, Json>;
}

type Override = NonNullable<NonNullable<Parameters<typeof z.toJSONSchema>[1]>["override"]>;

/** Creates a writer of schemas as JSON Schema. `named`: the schemas that have a name in the document. */
export function createSchemaWriter(named: Record<string, z.ZodType>): SchemaWriter {
  const names = new Map(Object.entries(named).map(([name, schema]) => [schema, name]));
  const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

  function convert(more: Record<string, z.ZodType>, io: Direction): Record<string, Json> {
    const registry = z.registry<{ id: string }>();
    for (const [id, schema] of Object.entries({ ...named, ...more })) {
      if (!registry.has(schema)) registry.add(schema, { id });
    }
    const uri = (id: string) => `#/components/schemas/${id}`;
    const { schemas } = z.toJSONSchema(registry, { io, uri, unrepresentable: "any", override: shorten });
    return Object.fromEntries(
      Object.entries(schemas).map(([id, { $schema: _, $id: __, id: ___, ...schema }]) => [id, schema as Json]),
    );
  }

  return {
    reference,

    write(schema, direction) {
      const name = names.get(schema);
      return name === undefined ? (convert({ It: schema }, direction).It as Json) : reference(name);
    },

    writeNamed: (direction) => convert({}, direction),
  };
}

/** Drops what says nothing to a reader: the pattern beside `date-time`, and the bounds of what a number can hold. */
const shorten: Override = ({ jsonSchema }) => {
  if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
};
