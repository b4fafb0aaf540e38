import type { Connection, ResultSetHeader } from "mysql2/promise";
import type { Image } from "./journal.ts";
import type { Statements } from "./mariadb-statements.ts";

/** A row of the source, with how it stands to its counterpart in the target. */
export interface Row {
  /** Its columns as texts, NULL as null; of columns that hold bytes the hexadecimal digits. The first is the lead's id. */
  image: Image;
  /** Has the target a row of this lead? */
  twin: boolean;
  /** The columns in which the two differ. */
  differs: string[];
}

/** A statement, and the ids that its one parameter stands for. */
export type Asked = string | readonly [sql: string, ids: readonly number[]];

/** What a statement gave: its rows, texts and times as the server writes them, or how many rows it changed. */
export interface Given {
  rows: (string | number | null)[][];
  affected: number;
}

export const isSame = (image: Image, other: Image | undefined) =>
  other !== undefined && image.every((value, index) => value === other[index]);

const nothing: Given = { rows: [], affected: 0 };

/**
 * Says the statements in one message, for each message costs its way there and back. The first that fails ends the rest. A
 * statement over no ids gives nothing and is not said. The connection must allow several statements.
 */
export async function say(connection: Connection, ...asked: readonly Asked[]): Promise<Given[]> {
  const said = asked.filter((one) => typeof one === "string" || one[1].length > 0);
  if (said.length === 0) return asked.map(() => nothing);
  const [results] = await connection.query({
    sql: said.map((one) => (typeof one === "string" ? one : one[0])).join(";\n"),
    values: said.flatMap((one) => (typeof one === "string" ? [] : [one[1]])),
    rowsAsArray: true,
  });
  const given = (said.length === 1 ? [results] : results) as unknown as (ResultSetHeader | Given["rows"])[];
  return asked.map((one) => {
    const result = given[said.indexOf(one)];
    if (result === undefined) return nothing;
    return Array.isArray(result) ? { rows: result, affected: 0 } : { rows: [], affected: result.affectedRows };
  });
}

/** The rows that `observe` gave, by lead id. */
export function rowsOf({ rows }: Given): Map<number, Row> {
  return new Map(
    rows.map((row) => {
      // What is left is the image: thousands of rows are not copied for the two columns at their end.
      const differs = row.pop();
      const twin = row.pop();
      const image = row as Image;
      return [
        Number(image[0]),
        { image, twin: Number(twin) === 1, differs: differs ? String(differs).split(",").filter(Boolean) : [] },
      ];
    }),
  );
}

/** What the server says, without the name of its database, which is no caller's business. */
export const withoutSchema = (message: string) => message.replace(/`[^`]*`\.(?=`)/g, "");

/** The rows of the source, by lead id. */
export async function observe(
  connection: Connection,
  statements: Statements,
  ids: readonly number[],
): Promise<Map<number, Row>> {
  const [given] = await say(connection, [statements.observe, ids]);
  return rowsOf(given as Given);
}

/** The ids that a statement over ids gives: which of the leads a table holds. */
export async function idsOf(connection: Connection, statement: string, ids: readonly number[]): Promise<Set<number>> {
  const [given] = await say(connection, [statement, ids]);
  return new Set(given?.rows.map(([id]) => Number(id)));
}

/** The images of the target's rows that an update would overwrite, by lead id. */
export async function overwritten(
  connection: Connection,
  statements: Statements,
  ids: readonly number[],
): Promise<Map<number, Image>> {
  const [given] = await say(connection, [statements.overwritten, ids]);
  return new Map(given?.rows.map((image) => [Number(image[0]), image as Image]));
}
