import type { Connection } from "mysql2/promise";
import type { Move } from "../../leads/move-types.ts";
import { isCollision } from "../../leads/rules.ts";
import type { RowImage } from "./journal.ts";
import { readDuplicates } from "./lead-rows.ts";
import type { Snapshot } from "./locks.ts";
import { runStatements, withoutSchema } from "./query.ts";
import type { Statements } from "./statements.ts";

/** The lead ids of each statement of a move. */
export interface WritePlan {
  inserts: number[];
  updates: number[];
  deletes: number[];
  /** By lead id: why the target cannot hold a lead that would be copied. */
  unkept: Map<number, string>;
}

/** Decides what a move writes, from the rows of both tables. The delete statement verifies its leads itself. */
export function planWrites(
  move: Pick<Move, "insert" | "update" | "delete">,
  { images, duplicates, unkept }: Snapshot,
): WritePlan {
  const found = [...images.keys()];
  const differing = [...duplicates].filter(([, differs]) => differs.length > 0);
  const inserts = move.insert ? found.filter((id) => !duplicates.has(id)) : [];
  const updates = move.update ? differing.filter(([, differs]) => !isCollision({ differs })).map(([id]) => id) : [];
  const copies = new Set([...inserts, ...updates]);
  const fits = (id: number) => !unkept.has(id);
  return {
    inserts: inserts.filter(fits),
    updates: updates.filter(fits),
    deletes: move.delete ? found.filter((id) => duplicates.has(id) || (move.insert && fits(id))) : [],
    unkept: new Map([...unkept].filter(([id]) => copies.has(id))),
  };
}

/** True if a move writes anything. */
export const writesAnything = ({ inserts, updates, deletes }: WritePlan) =>
  inserts.length + updates.length + deletes.length > 0;

/**
 * Runs a statement and bisects the ids on error, to isolate the rows that the target rejects. These are added to `unfit` with the
 * server's message. Returns the number of changed rows. `readFault` returns the message of an error that means "does not fit";
 * every other error is thrown.
 */
export async function writeFitting(
  connection: Connection,
  statement: string,
  ids: readonly number[],
  unfit: Map<number, string>,
  readFault = readUnfit,
): Promise<number> {
  try {
    const [result] = await runStatements(connection, [statement, ids]);
    return result?.affected ?? 0;
  } catch (error) {
    const message = readFault(error);
    if (message === undefined) throw error;
    if (ids.length === 1) {
      unfit.set(ids[0] as number, message);
      return 0;
    }
    const middle = ids.length >> 1;
    const first = await writeFitting(connection, statement, ids.slice(0, middle), unfit, readFault);
    return first + (await writeFitting(connection, statement, ids.slice(middle), unfit, readFault));
  }
}

/** The rows that a move has written to the target. */
export interface Copies {
  /** Ids of inserted leads. */
  inserted: readonly number[];
  /** The before-images of overwritten target rows, by lead id. */
  overwritten: ReadonlyMap<number, RowImage>;
  /** The columns of these images. */
  columns: readonly string[];
}

/** Undoes what a move has written to the target for these leads. */
export async function takeBack(
  connection: Connection,
  { target, binary, removeCopies }: Statements,
  { inserted, overwritten, columns }: Copies,
  ids: ReadonlySet<number>,
): Promise<void> {
  await runStatements(connection, [removeCopies, inserted.filter((id) => ids.has(id))]);
  const values = columns.map((name) => `${name} = ${binary.has(name) ? "UNHEX(?)" : "?"}`);
  const restore = `UPDATE ${target} SET ${values.join(", ")} WHERE \`lead_id\` = ?`;
  for (const [id, image] of overwritten) if (ids.has(id)) await connection.query(restore, [...image, id]);
}

/**
 * Undoes copies with a value that the target has altered without an error, because its column has another type. A row that also
 * differs in another column is not a copy of this move and stays. Returns the reasons by lead id.
 */
export async function takeBackAltered(
  connection: Connection,
  statements: Statements,
  copies: Copies,
): Promise<Map<number, string>> {
  const { alterable, duplicates } = statements;
  const ids = [...copies.inserted, ...copies.overwritten.keys()];
  if (alterable.size === 0 || ids.length === 0) return new Map();
  const [found] = await runStatements(connection, [duplicates, ids]);
  const altered = [...readDuplicates(found)].filter(
    ([, differs]) => differs.length > 0 && differs.every((name) => alterable.has(name)),
  );
  await takeBack(connection, statements, copies, new Set(altered.map(([id]) => id)));
  return new Map(altered.map(([id, differs]) => [id, `The target would change ${differs.join(", ")}`]));
}

/**
 * Returns the server's message if the target rejects a row: a value does not fit, or a unique key is taken. Returns undefined for
 * any other error.
 */
export function readUnfit(error: unknown): string | undefined {
  const { code = "", sqlMessage } = error as { code?: string; sqlMessage?: string };
  const unfit = /TOO_LONG|TRUNCATED|OUT_OF_RANGE|BAD_NULL|WRONG_VALUE|CONSTRAINT_FAILED|DUP_ENTRY/.test(code);
  return unfit && sqlMessage !== undefined ? withoutSchema(sqlMessage) : undefined;
}
