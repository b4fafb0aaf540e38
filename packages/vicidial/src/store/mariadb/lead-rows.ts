import type { Connection } from "mysql2/promise";
import type { RowImage } from "./journal.ts";
import { runStatements, type StatementResult } from "./query.ts";
import type { Statements } from "./statements.ts";

/** By the id of a lead that both tables hold: the columns in which its rows differ. */
export type Duplicates = Map<number, string[]>;

export const isSame = (image: RowImage, other: RowImage | undefined) =>
  other !== undefined && image.every((value, index) => value === other[index]);

/** Rows by lead id, as `images` and `overwritten` return them. */
export const readImages = ({ rows }: StatementResult) =>
  new Map(rows.map((image) => [Number(image[0]), image as RowImage]));

/** Reads what `duplicates` returned. */
export const readDuplicates = ({ rows }: StatementResult): Duplicates =>
  new Map(rows.map(([id, differs]) => [Number(id), String(differs).split(",").filter(Boolean)]));

/** Reads what `unkept` returned: by lead id, why the target cannot keep a value. */
export const readReasons = ({ rows }: StatementResult) => new Map(rows.map(([id, text]) => [Number(id), String(text)]));

export const readIds = ({ rows }: StatementResult) => new Set(rows.map(([id]) => Number(id)));

/** Returns the ids that a statement over ids finds. */
export async function findIds(connection: Connection, statement: string, ids: readonly number[]): Promise<Set<number>> {
  const [found] = await runStatements(connection, [statement, ids]);
  return readIds(found);
}

/** Returns the target's rows by lead id. */
export async function readTargetRows(
  connection: Connection,
  statements: Statements,
  ids: readonly number[],
): Promise<Map<number, RowImage>> {
  const [found] = await runStatements(connection, [statements.targetImages, ids]);
  return readImages(found);
}
