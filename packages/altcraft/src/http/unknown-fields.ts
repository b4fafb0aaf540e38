import * as z from "zod";

/** Returns the name of the first unknown member; undefined if there is none. */
export const findUnknownField = (value: object, known: ReadonlySet<string>): string | undefined =>
  Object.keys(value).find((name) => !known.has(name));

export const describeUnknownField = (name: string) => `field ${JSON.stringify(name)}: is not known here`;

/** Returns the names of all fields that an object of this schema may have. */
export function listFieldNames(schema: z.ZodType): string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(listFieldNames);
  if (schema instanceof z.ZodIntersection) {
    return [schema.def.left, schema.def.right].flatMap((side) => listFieldNames(side as z.ZodType));
  }
  return [];
}
