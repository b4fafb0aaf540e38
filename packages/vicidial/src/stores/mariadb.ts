import { setImmediate } from "node:timers/promises";
import { type Host, isStorageFault, isTransient, messageOf, ReinstateError } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import {
  type LeadStore,
  LeadsMissing,
  MoveRefused,
  NothingMoved,
  noCounts,
  SiteFault,
  TablesDamaged,
} from "../store.ts";
import { createJournal, type Entry } from "./journal.ts";
import { createCompanionReader } from "./mariadb-companions.ts";
import { openReaders, parseMariadbUrl } from "./mariadb-connect.ts";
import { diagnose } from "./mariadb-doctor.ts";
import { TablesAltered, underLocks } from "./mariadb-lock.ts";
import { MoveBroken, type MoverParts, moveLeads } from "./mariadb-move.ts";
import { type Asked, askStandings, type Given, idsOf, isSame, overwritten, say, standingsOf } from "./mariadb-rows.ts";
import { selectLeads } from "./mariadb-select.ts";
import { openSession, type Session } from "./mariadb-session.ts";
import { createMariadbSite } from "./mariadb-site.ts";
import type { Step } from "./mariadb-slice.ts";
import {
  archive,
  findTriggers,
  fingerprintOf,
  live,
  type Plan,
  preflight,
  refuseTriggers,
  showTables,
} from "./mariadb-tables.ts";
import { createSlices } from "./slices.ts";

export interface MariadbOptions {
  url: string;
  lockMs: number;
  leadsPerLock: number;
  lockWaitSeconds: number;
  journalDays: number;
  /** The name under which the images of this database are kept; without it, host, port and name as the server tells them. */
  site?: string | undefined;
  /** The test seam: called at each step of a move, outside of any guess about time. */
  onStep?: (step: Step) => Promise<void>;
  /** The test seam: a set of twice as many leads goes by halves where rows are locked. */
  leadsPerSession?: number;
  /** The test seam: seconds of silence under a lock after which the server hangs up. */
  lockedSilence?: number;
}

/** Leads that are put right under one lock. */
const reconcileSlice = 50;
/** What a server had written for so long before its end is on disk, whatever ended it. */
const writtenBackMs = 120_000;

/**
 * Leads of a real VICIdial database. The images of the rows are on disk in the host's database before anything is
 * written; then, slice by slice under a lock, the rows are copied by column name and deleted by the one statement that
 * also compares them. A session that begins puts right what a broken one left.
 */
export async function createMariadbStore(host: Host, options: MariadbOptions): Promise<LeadStore> {
  const { log } = host;
  const connecting = parseMariadbUrl(options.url);
  const journal = await createJournal(host.database, host.clock, options.journalDays);
  const reading = openReaders(connecting);
  /** What is yet to be noted in the journal of moves that have ended. Whoever dies before that leaves them to be looked at. */
  let noting: Promise<void> = Promise.resolve();
  const noted = () => noting;
  const parts: MoverParts = {
    journal,
    ended(entries) {
      noting = noting
        // Whoever asked for the move goes first.
        .then(() => setImmediate())
        .then(() => journal.done(entries))
        .catch((error: unknown) => {
          log.warn({ error: messageOf(error) }, "the end of a move could not be noted: it will be looked at again");
        });
    },
    log,
    clock: host.clock,
    lockMs: options.lockMs,
    slices: createSlices(options.leadsPerLock),
    onStep: options.onStep ?? (async () => {}),
    lockedSilence: options.lockedSilence,
    leadsPerSession: options.leadsPerSession ?? 100,
    beside,
  };
  const companions = createCompanionReader(() => host.clock.now());
  let session: Session | undefined;
  /** Works beside it on half of a large set. */
  let second: Session | undefined;
  /** The session in which the moves before the server's last start have been doubted. */
  let doubted: Session | undefined;
  let plan: Plan | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  /** One after the other: there is one connection that moves. */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = queue.then(work, work);
    queue = turn.catch(() => {});
    return turn;
  }

  /** The work on a session that works and is alone, after what a broken session left has been put right. */
  function moving<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return inTurn(async () => {
      try {
        if (!session || session.broken()) {
          session = await openSession(connecting, options);
          await tellOfOthers(session);
        }
        const current = session;
        return await current.alone(async () => {
          if (current !== doubted) await doubt(current);
          doubted = current;
          await noting;
          await reconcile(current);
          return work(current);
        }, noted);
      } catch (error) {
        if (session && !(await session.alive())) session.close();
        throw readable(error);
      }
    });
  }

  /** Without one, for the server may have no connection left, a set is moved by one. */
  async function beside({ database }: Session): Promise<Session | undefined> {
    if (!second || second.broken()) second = await openSession(connecting, options).catch(() => undefined);
    return second?.database === database ? second : undefined;
  }

  /** A server that goes by another name now is not known for the same one. */
  async function tellOfOthers({ database }: Session): Promise<void> {
    for (const other of await journal.others(database)) {
      log.warn(
        { database, other },
        "moves of another VICIdial database are not finished; if it is this one by a former name, set `site` to that name",
      );
    }
  }

  async function withReader<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    try {
      const connection = await reading.getConnection();
      try {
        return await work(connection);
      } finally {
        connection.release();
      }
    } catch (error) {
      throw readable(error);
    }
  }

  /** Statements by the plan of the tables as they are, said together with what shows that they still are so. */
  async function ask(
    connection: Connection,
    statements: (plan: Plan) => Asked[] = () => [],
  ): Promise<{ plan: Plan; given: Given[] }> {
    if (plan) {
      const known = plan;
      const said = await say(connection, ...showTables, findTriggers, ...statements(known)).catch((error: unknown) => {
        if (isTransient(error)) throw error;
      });
      if (said && fingerprintOf(said.slice(0, 2)) === known.fingerprint) {
        refuseTriggers(said[2] as Given);
        return { plan: known, given: said.slice(3) };
      }
    }
    plan = await preflight(connection);
    return { plan, given: await say(connection, ...statements(plan)) };
  }

  /** The work by a plan that it holds against the tables itself; by a new one where they were altered before it began. */
  async function withPlan<Result>(current: Session, work: (plan: Plan) => Promise<Result>): Promise<Result> {
    if (plan) {
      try {
        return await work(plan);
      } catch (error) {
        if (!(error instanceof MoveBroken) || error.written || !isAltered(error.cause)) throw error;
      }
    }
    plan = await preflight(current.connection);
    return work(plan);
  }

  /**
   * MyISAM leaves it to the operating system when to write: where the power fails, the delete of a finished move can be on
   * disk and its insert not. So what was moved shortly before the server's last start is looked at again.
   */
  async function doubt({ connection, database, uptime }: Session): Promise<void> {
    const { plan } = await ask(connection);
    if (plan.locking === "rows") return;
    const startedAt = host.clock.now() - uptime;
    await journal.reopen(database, startedAt - writtenBackMs, startedAt);
  }

  /** Puts right what a mover left that died or lost its connection. None is at work now: this session is alone. */
  async function reconcile({ connection, database }: Session): Promise<void> {
    const unfinished = await journal.unfinished(database);
    if (unfinished.length === 0) return;
    const { plan } = await ask(connection);
    // A damaged table shows less than it holds: nothing may be concluded from it.
    if (plan.locking === "tables") refuseDamaged(await say(connection, checkTables));
    // Of a lead the newest image alone tells what may have been lost: an older one knows nothing of what was changed since.
    const looked = new Set<number>();
    for (const id of unfinished) {
      const entry = await journal.entry(id);
      const leads = Object.keys(entry.source)
        .map(Number)
        .filter((lead) => !looked.has(lead));
      for (const lead of leads) looked.add(lead);
      const sums = { restored: 0, deleted: 0, differ: 0 };
      for (let start = 0; start < leads.length; start += reconcileSlice) {
        const part = await putRight(connection, plan, entry, leads.slice(start, start + reconcileSlice));
        for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += part[name];
      }
      log.warn({ journal: id, leads: leads.length, ...sums }, "an unfinished move of leads was put right");
    }
    // All at once: were the newest one settled alone, the next reader would take an older one for it.
    await journal.settled(unfinished);
  }

  /** Finishes the move of some leads of an entry; one whose content is in neither table is put back from its image. */
  function putRight(connection: Connection, plan: Plan, entry: Entry, ids: readonly number[]) {
    const statements = plan.verbs[entry.verb];
    return underLocks(connection, plan, statements, ids, async ({ images, checked }) => {
      const { twins, finish } = await checked;
      const absent = ids.filter((id) => !images.has(id));
      const copies = await overwritten(connection, statements, absent);
      const lost = absent.filter((id) => {
        const copy = copies.get(id);
        // The update of the copy is lost with its row, where the copy still is what it was before.
        return !copy || (isSame(copy, entry.target[id]) && !isSame(copy, entry.source[id]));
      });
      const places = entry.columns.map((name) => (statements.binary.has(name) ? "UNHEX(?)" : "?"));
      for (const id of lost) {
        await connection.query(
          `INSERT INTO ${statements.source} (${entry.columns.join(", ")}) VALUES (${places.join(", ")})`,
          entry.source[id],
        );
      }
      const [deleted] = await finish(entry.deletes ? [statements.delete, ids] : "DO 0");
      const differ = [...twins.values()].filter((differs) => differs.length > 0).length;
      return { restored: lost.length, deleted: deleted?.affected ?? 0, differ };
    });
  }

  // At the start, so that nothing waits for the next move; a database that is away now is met again then.
  moving(async () => {}).catch((error: unknown) => {
    log.warn({ error: messageOf(error) }, "the VICIdial database could not be looked after at the start");
  });

  return {
    effects: "elsewhere",

    existing: (verb, ids) =>
      withReader(async (connection) => {
        // The plan is held against the tables by the move itself, under its lock.
        plan ??= await preflight(connection);
        const { countInSource, inSource } = plan.verbs[verb];
        // Mostly all of them do, and one number says so.
        const [counted] = await say(connection, [countInSource, ids]);
        if (Number(counted?.rows[0]?.[0]) === ids.length) return new Set(ids);
        return idsOf(connection, inSource, ids);
      }),

    look: (verb, ids) =>
      withReader(async (connection) => {
        if (ids.length === 0) return [];
        const { plan, given } = await ask(connection, ({ verbs }) => askStandings(verbs[verb], ids));
        const { source, twins } = standingsOf(given);
        const absent = ids.filter((id) => !source.has(id));
        const elsewhere = await idsOf(connection, plan.verbs[verb].inTarget, absent);
        return ids.map((id) => ({
          id,
          source: source.has(id),
          target: twins.has(id) || elsewhere.has(id),
          differs: twins.get(id) ?? [],
        }));
      }),

    async move(move, work) {
      if (move.ids.length === 0) return { counts: noCounts(), fates: [] };
      try {
        return await moving((current) => withPlan(current, (known) => moveLeads(parts, current, known, move, work)));
      } catch (error) {
        throw afterMove(error);
      }
    },

    async movedBefore(chunk) {
      const entries = await moving(({ database }) => journal.ofChunk(database, chunk));
      return new Map(
        entries.flatMap(({ source, copied }) => {
          const ids = new Set(copied);
          return Object.keys(source).map((id) => [Number(id), { copied: ids.has(Number(id)) }] as const);
        }),
      );
    },

    select: (verb, filter) => selectLeads(withReader, host.clock, verb === "dearchive" ? archive : live, filter),

    onCall: (ids) => withReader((connection) => companions.onCall(connection, ids)),
    companions: (verb, side, ids) =>
      withReader((connection) =>
        companions.report(connection, (verb === "dearchive") === (side === "source") ? archive : live, ids),
      ),
    // On the connection that moves: its SQL mode refuses what would be cut.
    restoreCompanions: (ids) => moving(({ connection }) => companions.restoreCallbacks(connection, ids)),
    site: createMariadbSite(withReader),
    diagnose: () => withReader(diagnose),

    ready: async () => {
      await withReader((connection) => ask(connection));
    },

    async close() {
      await inTurn(async () => {
        await noting;
        session?.close();
        second?.close();
      });
      await reading.end();
    },
  };
}

/** May the tables have another shape than the plan says? */
const isAltered = (error: unknown) =>
  error instanceof TablesAltered ||
  ["ER_BAD_FIELD_ERROR", "ER_NO_SUCH_TABLE", "ER_KEY_DOES_NOT_EXITS"].includes(
    String((error as { code?: unknown }).code),
  );

/** What the server says of a table that must be repaired. */
const isDamage = (error: unknown): boolean => {
  const { code, cause, sqlMessage } = (error ?? {}) as { code?: string; cause?: unknown; sqlMessage?: string };
  if (/^(ER_NOT_KEYFILE|(ER|HA_ERR)_(CRASHED|CRASHED_ON_USAGE|CRASHED_ON_REPAIR|WRONG_IN_RECORD))$/.test(code ?? "")) {
    return true;
  }
  return (
    /\b(12[67]|14[45])\b.*storage engine|marked as crashed/i.test(sqlMessage ?? "") || (cause ? isDamage(cause) : false)
  );
};

/** Looks through the tables that were not closed as they should be, after a crash of the server; others take no time. */
const checkTables = `SET STATEMENT max_statement_time = 0 FOR CHECK TABLE ${live}, ${archive} FAST`;

function refuseDamaged([checked]: Given[]): void {
  const faults = (checked?.rows ?? []).filter(([, , type]) => /^error$/i.test(String(type)));
  if (faults.length === 0) return;
  const [table] = faults[0] as string[];
  const name = table?.split(".").at(-1);
  throw new TablesDamaged(`${name} is damaged (REPAIR TABLE ${name} mends it)`, true);
}

/** What an error of a move means for its leads: refused, not moved, or left open. */
function afterMove(error: unknown): unknown {
  const broken = error instanceof MoveBroken;
  const reason = readable(broken ? error.cause : error);
  const { message } = reason as Error;
  if (TablesDamaged.is(reason) || LeadsMissing.is(reason)) return reason;
  if (isDamage(broken ? error.cause : reason)) {
    return new TablesDamaged(message, broken && error.written);
  }
  if (MoveRefused.is(reason) || (broken && error.written)) return reason;
  if (isTransient(reason)) return new NothingMoved(message, { cause: reason });
  const { cause } = reason as { cause?: { sqlMessage?: unknown } };
  const verdict = cause?.sqlMessage !== undefined && !isStorageFault(reason);
  return verdict ? new MoveRefused(message, { cause: reason }) : reason;
}

/** A message that can be shown to a caller: what happened, no account, no address and no text of the server. The cause keeps the rest. */
function readable(error: unknown): unknown {
  const { code, sqlMessage, fatal } = error as { code?: string; sqlMessage?: string; fatal?: boolean };
  if (MoveRefused.is(error) || ReinstateError.is(error) || LeadsMissing.is(error)) return error;
  // What is said on a connection that the server has ended is refused by the driver, without a code.
  if (code === undefined && fatal) return new ReinstateError("transient", "The VICIdial database ended the connection");
  if (code === undefined) return error;
  const fault = (text: string) => new SiteFault(`${text} (${code})`, { cause: error });
  if (code === "ER_LOCK_WAIT_TIMEOUT") return fault("The VICIdial tables are busy");
  if (/ACCESS_DENIED|BAD_DB/.test(code)) return fault("The VICIdial database refused us");
  if (isStorageFault(error)) return fault("The VICIdial database cannot store anything at the moment");
  if (isDamage(error)) {
    const table = new RegExp(`${archive}|${live}`).exec(sqlMessage ?? "")?.[0] ?? "A table of the VICIdial database";
    return fault(`${table} is damaged; REPAIR TABLE mends it`);
  }
  if (code.startsWith("HANDSHAKE_")) return fault("The VICIdial database offers no connection that ssl-mode accepts");
  if (sqlMessage !== undefined) return fault("The VICIdial database rejected a statement; see the server log");
  return fault(isTransient(error) ? "The VICIdial database cannot be reached" : "The VICIdial database cannot be used");
}
