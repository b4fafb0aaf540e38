import type { Connection } from "mysql2/promise";
import { isCollision } from "../rules.ts";
import type { Move } from "../store.ts";
import type { Snapshot } from "./mariadb-lock.ts";
import { runStatements, withoutSchema } from "./mariadb-rows.ts";

/** The leads that each statement of a move is about. */
export interface WritePlan {
  inserts: number[];
  updates: number[];
  deletes: number[];
  /** By lead id, why the target cannot keep a value of a lead that would be copied. */
  unkept: Map<number, string>;
}

/** Decides from the leads as they lie what a move writes. A delete verifies its leads itself. */
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
 * Runs a statement over row sets that get smaller, until the rows are found whose values do not fit. These are added to `unfit`,
 * with the server's message. Returns how many rows were changed.
 */
export async function writeFitting(
  connection: Connection,
  statement: string,
  ids: readonly number[],
  unfit: Map<number, string>,
): Promise<number> {
  try {
    const [result] = await runStatements(connection, [statement, ids]);
    return result?.affected ?? 0;
  } catch (error) {
    const message = readUnfit(error);
    if (message === undefined) throw error;
    if (ids.length === 1) {
      unfit.set(ids[0] as number, message);
      return 0;
    }
    const middle = ids.length >> 1;
    const first = await writeFitting(connection, statement, ids.slice(0, middle), unfit);
    return first + (await writeFitting(connection, statement, ids.slice(middle), unfit));
  }
}

/**
 * Returns the server's message if the target cannot take in a row: a value does not fit, or another row has what must be unique.
 * Returns undefined for any other error.
 */
export function readUnfit(error: unknown): string | undefined {
  const { code = "", sqlMessage } = error as { code?: string; sqlMessage?: string };
  const unfit = /TOO_LONG|TRUNCATED|OUT_OF_RANGE|BAD_NULL|WRONG_VALUE|CONSTRAINT_FAILED|DUP_ENTRY/.test(code);
  return unfit && sqlMessage !== undefined ? withoutSchema(sqlMessage) : undefined;
}
