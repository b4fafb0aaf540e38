import type { Connection, ResultSetHeader } from "mysql2/promise";

/** A statement, and the ids that its one parameter stands for. */
export type Statement = string | readonly [sql: string, ids: readonly number[]];

/** The result of a statement: its rows, with texts and times as the server writes them, or the number of rows it changed. */
export interface StatementResult {
  rows: (string | number | null)[][];
  affected: number;
}

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

/** What the server says, without the name of its database, which is no caller's business. */
export const withoutSchema = (message: string) => message.replace(/`[^`]*`\.(?=`)/g, "");
