import type { Log } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import { TablesDamaged } from "../../leads/move-errors.ts";
import type { Entry, Journal, RowImage } from "./journal.ts";
import { isSame, readDuplicates, readTargetRows } from "./lead-rows.ts";
import { type Locked, underLocks } from "./locks.ts";
import { archive, live } from "./names.ts";
import { type Plan, statementsFor } from "./plan.ts";
import { runStatements, type StatementResult } from "./query.ts";
import type { Session } from "./session.ts";
import type { Statements } from "./statements.ts";
import { type Copies, takeBack, takeBackAltered, writeFitting } from "./write.ts";

/** Milliseconds after which the operating system has written data to disk, even if the server crashes later. */
const writtenBackMs = 120_000;

/** Maximum difference between the clocks of two workers. If in doubt, a lead of an unfinished move is restored. */
export const clockSkewMs = 120_000;

/** The last start of the server by the clock of this worker, and the maximum difference to the clocks of other workers. */
interface ServerStart {
  startedAt: number;
  clockSkewMs: number;
}

/**
 * Reopens moves that finished shortly before the server's last start, so that they are recovered once more. MyISAM leaves it to
 * the operating system when to write: after a power failure the delete of a move can be on disk without its insert. Moves after the
 * start are never reopened, not even by a clock that is ahead: a worker that starts days later would restore leads that users have
 * deleted since.
 */
export const reopenFinishedMoves = (
  journal: Journal,
  namespace: string,
  { startedAt, clockSkewMs }: ServerStart,
): Promise<void> => journal.reopen(namespace, startedAt - writtenBackMs - clockSkewMs, startedAt);

/**
 * Recovers the moves of a mover that died or lost its connection; `move.ts` describes the protocol. The session must hold the
 * advisory lock. On row locks the server has committed or rolled back the whole move. On table locks an interrupted move is
 * finished. A lead that is in neither table is restored from its before-image.
 *
 * @throws TablesDamaged if a table must be repaired first.
 */
export async function recoverMoves(
  { journal, log }: { journal: Journal; log: Log },
  { connection, journalNamespace }: Session,
  server: ServerStart,
  readPlan: () => Promise<Plan>,
): Promise<void> {
  const unfinished = await journal.unfinished(journalNamespace);
  if (unfinished.length === 0) return;
  const plan = await readPlan();
  // A damaged table shows fewer rows than it holds, so a missing row proves nothing.
  if (plan.locking === "tables") {
    const [checked] = await runStatements(connection, checkTables);
    refuseDamaged(checked);
  }
  // Only the newest entry of a lead counts: older images predate later changes.
  const seen = new Set<number>();
  for (const { id, doubted, createdAt } of unfinished) {
    const entry = await journal.entry(id);
    const ids = Object.keys(entry.source)
      .map(Number)
      .filter((lead) => !seen.has(lead));
    for (const lead of ids) seen.add(lead);
    const sums = await recoverEntry(connection, plan, entry, {
      ids,
      doubted,
      // InnoDB never loses a part of a transaction.
      mayHaveLost: plan.locking === "tables" && createdAt <= server.startedAt + server.clockSkewMs,
    });
    log.warn({ journal: id, leads: ids.length, ...sums }, "unfinished lead move recovered");
  }
  // In one update: after a crash in between, an older entry would look like the newest.
  await journal.markSettled(unfinished.map(({ id }) => id));
}

interface Recovered {
  restored: number;
  inserted: number;
  deleted: number;
  differ: number;
}

/** Recovers one entry. `doubted`: the move had finished. `mayHaveLost`: the server was started after the entry was written. */
function recoverEntry(
  connection: Connection,
  plan: Plan,
  entry: Entry,
  { ids, doubted, mayHaveLost }: { ids: readonly number[]; doubted: boolean; mayHaveLost: boolean },
): Promise<Recovered> {
  const statements = statementsFor(plan, entry.verb);
  return underLocks(connection, plan, statements, ids, async (locked) => {
    const copies = await readTargetRows(connection, statements, ids);
    const recovered: Recovered = { restored: 0, inserted: 0, deleted: 0, differ: 0 };
    const isTransactional = plan.locking === "rows";
    const isPending = entry.copied.some((id) => ids.includes(id) && locked.images.has(id) && !copies.has(id));
    const isCertain = isTransactional || !(doubted || mayHaveLost || hasWritten(entry, locked, copies, ids));
    // Nothing was written, so a lead that is gone was removed by another session.
    if (isPending && isCertain) return recovered;
    const lost = ids.filter((id) => !locked.images.has(id) && isLost(entry, id, copies.get(id)));
    await restore(connection, statements, entry, lost);
    recovered.restored = lost.length;
    if (isTransactional) {
      await locked.commit();
      return recovered;
    }
    const deleteBegan = ids.some((id) => !locked.images.has(id) && !lost.includes(id));
    if (!doubted && !deleteBegan && lost.length === 0) {
      const isCopied = (id: number) => entry.copied.includes(id) || entry.target[id] !== undefined;
      const unfit = new Map([...locked.unkept].filter(([id]) => isCopied(id)));
      recovered.inserted = await copyRest(connection, statements, entry, { copies, ids, unfit });
      if (entry.allOrNothing && unfit.size > 0) {
        await undoCopies(connection, statements, entry, ids);
        await locked.commit();
        return recovered;
      }
    }
    const [deleted] = await locked.commit([statements.delete, entry.deletes ? ids : []]);
    recovered.deleted = deleted?.affected ?? 0;
    recovered.differ = [...locked.duplicates.values()].filter((differs) => differs.length > 0).length;
    return recovered;
  });
}

/** True if the tables show a write of the move. */
const hasWritten = (entry: Entry, { images }: Locked, copies: ReadonlyMap<number, RowImage>, ids: readonly number[]) =>
  ids.some((id) => {
    const copy = copies.get(id);
    if (copy === undefined) return false;
    const overwritten = entry.target[id];
    return !images.has(id) || entry.copied.includes(id) || (overwritten !== undefined && !isSame(copy, overwritten));
  });

/** True if a lead that is not in the source is in neither table, or if the update of its copy was lost with its row. */
const isLost = ({ source, target, deletes }: Entry, id: number, copy: RowImage | undefined) =>
  deletes && (!copy || (isSame(copy, target[id]) && !isSame(copy, source[id])));

async function restore(
  connection: Connection,
  { source, binary }: Statements,
  entry: Entry,
  ids: readonly number[],
): Promise<void> {
  const places = entry.columns.map((name) => (binary.has(name) ? "UNHEX(?)" : "?"));
  const sql = `INSERT INTO ${source} (${entry.columns.join(", ")}) VALUES (${places.join(", ")})`;
  for (const id of ids) await connection.query(sql, entry.source[id]);
}

/**
 * Copies the leads that an interrupted statement had not reached, and undoes copies that the target has altered. Leads that do
 * not fit stay in the source and are added to `unfit`. Returns the number of written rows.
 */
async function copyRest(
  connection: Connection,
  statements: Statements,
  entry: Entry,
  { copies, ids, unfit }: { copies: ReadonlyMap<number, RowImage>; ids: readonly number[]; unfit: Map<number, string> },
): Promise<number> {
  const fitting = ids.filter((id) => !unfit.has(id));
  const inserts = fitting.filter((id) => entry.copied.includes(id) && !copies.has(id));
  const updates = fitting.filter((id) => {
    const overwritten = entry.target[id];
    return overwritten !== undefined && isSame(overwritten, copies.get(id));
  });
  const inserted = await writeFitting(connection, statements.insert, inserts, unfit);
  const updated = await writeFitting(connection, statements.update, updates, unfit);
  const altered = await takeBackAltered(connection, statements, findCopies(entry, ids));
  for (const [id, reason] of altered) unfit.set(id, reason);
  return inserted + updated;
}

/** Undoes the copies of a move that equal their source rows. All other rows were changed by another session. */
async function undoCopies(
  connection: Connection,
  statements: Statements,
  entry: Entry,
  ids: readonly number[],
): Promise<void> {
  const [found] = await runStatements(connection, [statements.duplicates, ids]);
  const equal = [...readDuplicates(found)].filter(([, differs]) => differs.length === 0);
  await takeBack(connection, statements, findCopies(entry, ids), new Set(equal.map(([id]) => id)));
}

/** Returns the rows that a move may have written to the target for these leads. */
function findCopies({ copied, target, columns }: Entry, ids: readonly number[]): Copies {
  const wanted = new Set(ids);
  const overwritten = Object.entries(target).map(([id, image]) => [Number(id), image] as const);
  return {
    inserted: copied.filter((id) => wanted.has(id)),
    overwritten: new Map(overwritten.filter(([id]) => wanted.has(id))),
    columns,
  };
}

/** Checks tables that were not closed properly, which only a server crash leaves; a clean table takes no time. */
const checkTables = `SET STATEMENT max_statement_time = 0 FOR CHECK TABLE ${live}, ${archive} FAST`;

function refuseDamaged({ rows }: StatementResult): void {
  const faults = rows.filter(([, , type]) => /^error$/i.test(String(type)));
  if (faults.length === 0) return;
  const [table] = faults[0] as string[];
  const name = table?.split(".").at(-1);
  throw new TablesDamaged(`${name} is damaged; run REPAIR TABLE ${name}`, true);
}
