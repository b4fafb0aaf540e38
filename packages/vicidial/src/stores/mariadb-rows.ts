import type { Connection, ResultSetHeader } from "mysql2/promise";
import type { Image } from "./journal.ts";
import type { Statements } from "./mariadb-statements.ts";

/** By the id of a lead that both tables hold: the columns in which its rows differ. */
export type Twins = Map<number, string[]>;

/** How leads lie in the two tables. */
export interface Standings {
  /** Those that the source holds. */
  source: Set<number>;
  twins: Twins;
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

/** What `images` and `overwritten` gave, by lead id. */
export const imagesOf = ({ rows }: Given) => new Map(rows.map((image) => [Number(image[0]), image as Image]));

/** What `twins` gave. */
export const twinsOf = ({ rows }: Given): Twins =>
  new Map(rows.map(([id, differs]) => [Number(id), String(differs).split(",").filter(Boolean)]));

const idsIn = ({ rows }: Given) => new Set(rows.map(([id]) => Number(id)));

/** What is asked for `standingsOf`. */
export const askStandings = ({ inSource, twins }: Statements, ids: readonly number[]): Asked[] => [
  [inSource, ids],
  [twins, ids],
];

export const standingsOf = ([inSource = nothing, twins = nothing]: readonly Given[]): Standings => ({
  source: idsIn(inSource),
  twins: twinsOf(twins),
});

/** What the server says, without the name of its database, which is no caller's business. */
export const withoutSchema = (message: string) => message.replace(/`[^`]*`\.(?=`)/g, "");

/** The ids that a statement over ids gives: which of the leads a table holds. */
export async function idsOf(connection: Connection, statement: string, ids: readonly number[]): Promise<Set<number>> {
  const [given] = await say(connection, [statement, ids]);
  return idsIn(given as Given);
}

/** The images of the target's rows that an update would overwrite, by lead id. */
export async function overwritten(
  connection: Connection,
  statements: Statements,
  ids: readonly number[],
): Promise<Map<number, Image>> {
  const [given] = await say(connection, [statements.overwritten, ids]);
  return imagesOf(given as Given);
}
