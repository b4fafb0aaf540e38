import type { Connection, ResultSetHeader } from "mysql2/promise";
import type { RowImage } from "./journal.ts";
import type { Statements } from "./statements.ts";

/** By the id of a lead that both tables hold: the columns in which its rows differ. */
export type Duplicates = Map<number, string[]>;

/** A statement, and the ids that its one parameter stands for. */
export type Statement = string | readonly [sql: string, ids: readonly number[]];

/** The result of a statement: its rows, with texts and times as the server writes them, or the number of rows it changed. */
export interface StatementResult {
  rows: (string | number | null)[][];
  affected: number;
}

export const isSame = (image: RowImage, other: RowImage | undefined) =>
  other !== undefined && image.every((value, index) => value === other[index]);

/** The result of each statement. */
export type Results<Statements extends readonly Statement[]> = {
  -readonly [Place in keyof Statements]: StatementResult;
};

/** A statement that is not sent, in the place of one that is not needed. */
export const noStatement: Statement = ["", []];

const nothing: StatementResult = { rows: [], affected: 0 };

/**
 * Runs the statements in one message, because each message costs its way there and back. The first that fails ends the rest. A
 * statement over no ids returns nothing and is not sent. The connection must allow several statements.
 */
export async function runStatements<const Given extends readonly Statement[]>(
  connection: Connection,
  ...statements: Given
): Promise<Results<Given>> {
  const isSent = (one: Statement) => typeof one === "string" || one[1].length > 0;
  const sent = statements.filter(isSent);
  if (sent.length === 0) return statements.map(() => nothing) as Results<Given>;
  const [results] = await connection.query({
    sql: sent.map((one) => (typeof one === "string" ? one : one[0])).join(";\n"),
    values: sent.flatMap((one) => (typeof one === "string" ? [] : [one[1]])),
    rowsAsArray: true,
  });
  const returned = (sent.length === 1 ? [results] : results) as unknown as (
    | ResultSetHeader
    | StatementResult["rows"]
  )[];
  let next = 0;
  return statements.map((one) => {
    const result = isSent(one) ? returned[next++] : undefined;
    if (result === undefined) return nothing;
    return Array.isArray(result) ? { rows: result, affected: 0 } : { rows: [], affected: result.affectedRows };
  }) as Results<Given>;
}

/** Rows by lead id, as `images` and `overwritten` return them. */
export const readImages = ({ rows }: StatementResult) =>
  new Map(rows.map((image) => [Number(image[0]), image as RowImage]));

/** Reads what `duplicates` returned. */
export const readDuplicates = ({ rows }: StatementResult): Duplicates =>
  new Map(rows.map(([id, differs]) => [Number(id), String(differs).split(",").filter(Boolean)]));

/** Reads what `unkept` returned: by lead id, why the target cannot keep a value. */
export const readReasons = ({ rows }: StatementResult) => new Map(rows.map(([id, text]) => [Number(id), String(text)]));

export const readIds = ({ rows }: StatementResult) => new Set(rows.map(([id]) => Number(id)));

/** What the server says, without the name of its database, which is no caller's business. */
export const withoutSchema = (message: string) => message.replace(/`[^`]*`\.(?=`)/g, "");

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
