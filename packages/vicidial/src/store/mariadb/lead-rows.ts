import type { Connection } from "mysql2/promise";
import type { RowImage } from "./journal.ts";
import { runStatements, type StatementResult } from "./query.ts";
import type { Statements } from "./statements.ts";

/** Leads that both tables hold: the differing columns by lead id. */
export type Duplicates = Map<number, string[]>;

export const isSame = (image: RowImage, other: RowImage | undefined) =>
  other !== undefined && image.every((value, index) => value === other[index]);

/** Reads the rows of `images` or `targetImages`, by lead id. */
export const readImages = ({ rows }: StatementResult) =>
  new Map(rows.map((image) => [Number(image[0]), image as RowImage]));

/** Reads the result of `duplicates`. */
export const readDuplicates = ({ rows }: StatementResult): Duplicates =>
  new Map(rows.map(([id, differs]) => [Number(id), String(differs).split(",").filter(Boolean)]));

/** Reads the result of `unkept`: by lead id, why the target cannot hold a value. */
export const readReasons = ({ rows }: StatementResult) => new Map(rows.map(([id, text]) => [Number(id), String(text)]));

export const readIds = ({ rows }: StatementResult) => new Set(rows.map(([id]) => Number(id)));

/** Returns the ids that a statement finds. */
export async function findIds(connection: Connection, statement: string, ids: readonly number[]): Promise<Set<number>> {
  const [found] = await runStatements(connection, [statement, ids]);
  return readIds(found);
}

/** Returns target rows by lead id. */
export async function readTargetRows(
  connection: Connection,
  statements: Statements,
  ids: readonly number[],
): Promise<Map<number, RowImage>> {
  const [found] = await runStatements(connection, [statements.targetImages, ids]);
  return readImages(found);
}
