import * as z from "zod";

/** The first member that has none of the known names. */
export const findUnknownField = (given: object, known: ReadonlySet<string>): string | undefined =>
  Object.keys(given).find((name) => !known.has(name));

export const describeUnknownField = (stranger: string) => `field ${JSON.stringify(stranger)}: is not known here`;

/** The names of all that an object of this schema may hold. */
export function listFieldNames(schema: z.ZodType): string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(listFieldNames);
  if (schema instanceof z.ZodIntersection) {
    return [schema.def.left, schema.def.right].flatMap((side) => listFieldNames(side as z.ZodType));
  }
  return [];
}
