import type { Connection, ResultSetHeader } from "mysql2/promise";

/** A statement, or a statement whose one parameter is a list of ids. */
export type Statement = string | readonly [sql: string, ids: readonly number[]];

/** The rows of a statement, with texts and times as the server writes them, or the number of rows it changed. */
export interface StatementResult {
  rows: (string | number | null)[][];
  affected: number;
}

/** The result of each statement. */
export type Results<Statements extends readonly Statement[]> = {
  -readonly [Place in keyof Statements]: StatementResult;
};

/** Takes the place of a statement that is not needed. It is not sent. */
export const noStatement: Statement = ["", []];

const nothing: StatementResult = { rows: [], affected: 0 };

/**
 * Sends the statements in one multi-statement round trip. The first failure ends the rest. A statement over no ids is not sent and
 * returns nothing. The connection must allow multiple statements.
 */
export async function runStatements<const Sent extends readonly Statement[]>(
  connection: Connection,
  ...statements: Sent
): Promise<Results<Sent>> {
  const isSent = (one: Statement) => typeof one === "string" || one[1].length > 0;
  const sent = statements.filter(isSent);
  if (sent.length === 0) return statements.map(() => nothing) as Results<Sent>;
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
  }) as Results<Sent>;
}

/** Removes the name of the schema from a message of the server, because callers must not see it. */
export const withoutSchema = (message: string) => message.replace(/`[^`]*`\.(?=`)/g, "");
