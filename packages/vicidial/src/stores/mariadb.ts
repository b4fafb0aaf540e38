import { setImmediate } from "node:timers/promises";
import { type Host, isTransient, messageOf, ReinstateError } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import { type LeadStore, noCounts, type Verb } from "../store.ts";
import { createJournal } from "./journal.ts";
import { createCompanionReader } from "./mariadb-companions.ts";
import { openReaders, parseMariadbUrl, type Readers } from "./mariadb-connect.ts";
import { diagnose } from "./mariadb-doctor.ts";
import { afterMove, isAltered, readable } from "./mariadb-errors.ts";
import { MoveBroken, type MoverParts, moveLeads, type Step } from "./mariadb-move.ts";
import { doubtFinishedMoves, recoverMoves } from "./mariadb-recover.ts";
import {
  findIds,
  readDuplicates,
  readIds,
  readReasons,
  runStatements,
  type Statement,
  type StatementResult,
} from "./mariadb-rows.ts";
import { selectLeads } from "./mariadb-select.ts";
import { comparisonSettings, openSession, type Session } from "./mariadb-session.ts";
import { createMariadbSite } from "./mariadb-site.ts";
import {
  archive,
  findTriggers,
  fingerprintOf,
  isRefused,
  live,
  type Plan,
  preflight,
  refuseTriggers,
  showTables,
  statementsFor,
} from "./mariadb-tables.ts";

export interface MariadbOptions {
  url: string;
  leadsPerLock: number;
  lockWaitSeconds: number;
  journalDays: number;
  /** The name under which the images of this database are kept; without it, host, port and name as the server tells them. */
  site?: string | undefined;
  /** The test seam: called at each step of a move, outside of any guess about time. */
  onStep?: (step: Step) => Promise<void>;
  /** The test seam: seconds of silence under a lock after which the server drops the connection. */
  lockedSilence?: number;
}

/**
 * Leads of a real VICIdial database. The images of the rows are on disk in the host's database before anything is
 * written; then, slice by slice under a lock, the rows are copied by column name and deleted by the one statement that
 * also compares them. A session that begins recovers what a broken one left.
 */
export async function createMariadbStore(host: Host, options: MariadbOptions): Promise<LeadStore> {
  const { log } = host;
  const connecting = parseMariadbUrl(options.url);
  const journal = await createJournal(host.database, host.clock, options.journalDays);
  /** Reads in the zone of the server, as VICIdial does. */
  const reading = openReaders(connecting);
  /** Compares leads, with the settings of the connection that moves them. */
  const comparing = openReaders(connecting, { connections: 2, settings: comparisonSettings });
  const withReader = usePool(reading);
  const withComparer = usePool(comparing);
  /** The pending journal update for moves that have ended. After a crash those moves are recovered. */
  let noting: Promise<void> = Promise.resolve();
  const noted = () => noting;
  const parts: MoverParts = {
    journal,
    ended(entries) {
      noting = noting
        // The answer of the move goes first.
        .then(() => setImmediate())
        .then(() => journal.done(entries))
        .catch((error: unknown) => {
          log.warn({ error: messageOf(error) }, "failed to note the end of a move: it will be recovered");
        });
      return noting;
    },
    log,
    clock: host.clock,
    leadsPerLock: options.leadsPerLock,
    onStep: options.onStep ?? (async () => {}),
    lockedSilence: options.lockedSilence,
  };
  const companions = createCompanionReader(() => host.clock.now());
  let session: Session | undefined;
  /** When the server of the session was started. */
  let startedAt = 0;
  /** The session in which the moves before the server's last start have been doubted. */
  let doubted: Session | undefined;
  let plan: Plan | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  /** The latest loss of the server; the moves that were waiting then end with it, and not each after a wait of its own. */
  let outage: { at: number; error: unknown } | undefined;

  /** One after the other: there is one connection that moves. */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = queue.then(work, work);
    queue = turn.catch(() => {});
    return turn;
  }

  /** Does the work on a session that works and is alone, after what a broken session left has been recovered. */
  function moving<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const calledAt = performance.now();
    return inTurn(async () => {
      if (outage && outage.at > calledAt) throw outage.error;
      try {
        if (!session || session.broken()) {
          session = await openSession(connecting, options);
          startedAt = host.clock.now() - session.uptime;
          await logOthers(session);
        }
        const current = session;
        return await current.alone(async () => {
          await noting;
          await recover(current);
          return work(current);
        }, noted);
      } catch (error) {
        if (session && !(await session.alive())) session.close();
        const shown = readable(error);
        if ((!session || session.broken()) && isTransient(shown)) outage = { at: performance.now(), error: shown };
        throw shown;
      }
    });
  }

  async function recover(current: Session): Promise<void> {
    const { connection, database } = current;
    const readPlan = async () => (await ask(connection)).plan;
    if (current !== doubted && (await readPlan()).locking === "tables") {
      await doubtFinishedMoves(journal, database, startedAt);
    }
    doubted = current;
    await recoverMoves({ journal, log }, current, startedAt, readPlan);
  }

  /**
   * Finishes what a mover left that died, so that no answer shows the leads in the middle of a move. A mover that is at work holds
   * the lock of its tables, so its leads can be read as they are.
   */
  async function recovered(): Promise<void> {
    await noting;
    if (session && !session.broken() && (await journal.unfinished(session.database)).length === 0) return;
    await moving(async () => {}).catch((error: unknown) => {
      if (!ReinstateError.is(error, "transient")) throw error;
    });
  }

  /** A server that goes by another name now is not known for the same one. */
  async function logOthers({ database }: Session): Promise<void> {
    for (const other of await journal.others(database)) {
      log.warn(
        { database, other },
        "moves of another VICIdial database are not finished; if it is this one by a former name, set `site` to that name",
      );
    }
  }

  /** Runs statements by the plan of the tables as they are, together with what shows that they still are so. */
  async function ask(
    connection: Connection,
    statements: (plan: Plan) => Statement[] = () => [],
  ): Promise<{ plan: Plan; results: StatementResult[] }> {
    if (plan) {
      const known = plan;
      const returned = await runStatements(connection, ...showTables, findTriggers, ...statements(known)).catch(
        (error: unknown) => {
          if (isTransient(error)) throw error;
        },
      );
      if (returned && fingerprintOf(returned.slice(0, 2)) === known.fingerprint) {
        refuseTriggers(returned[2] as StatementResult);
        return { plan: known, results: returned.slice(3) };
      }
    }
    plan = await preflight(connection);
    return { plan, results: await runStatements(connection, ...statements(plan)) };
  }

  /** The plan as it is known; read anew if there is none that allows the verb. */
  async function planFor(connection: Connection, verb: Verb): Promise<Plan> {
    if (!plan || isRefused(plan, verb)) plan = await preflight(connection);
    return plan;
  }

  /** Does the work by a plan that it checks against the tables itself; by a new one if they were altered before it began. */
  async function withPlan<Result>(
    { connection }: Session,
    verb: Verb,
    work: (plan: Plan) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await work(await planFor(connection, verb));
    } catch (error) {
      if (!(error instanceof MoveBroken) || error.written || !isAltered(error.cause)) throw error;
    }
    plan = await preflight(connection);
    return work(plan);
  }

  // At the start, so that nothing waits for the next move; if the database is away now, the next move recovers.
  moving(async () => {}).catch((error: unknown) => {
    log.warn({ error: messageOf(error) }, "failed to recover unfinished moves at the start");
  });

  return {
    effects: "elsewhere",

    async existing(verb, ids) {
      const find = () =>
        withComparer(async (connection) => {
          // The move itself checks the plan against the tables, under its lock.
          const { countInSource, inSource } = statementsFor(await planFor(connection, verb), verb);
          // Mostly all of them do, and one number says so.
          const [counted] = await runStatements(connection, [countInSource, ids]);
          if (Number(counted?.rows[0]?.[0]) === ids.length) return new Set(ids);
          return findIds(connection, inSource, ids);
        });
      const found = await find();
      if (found.size === ids.length) return found;
      await recovered();
      return find();
    },

    async look(verb, ids) {
      if (ids.length === 0) return [];
      await recovered();
      return withComparer(async (connection) => {
        await planFor(connection, verb);
        const { results } = await ask(connection, (plan) => {
          const { inSource, duplicates, inTarget, unkept } = statementsFor(plan, verb);
          return [[inSource, ids], [duplicates, ids], [inTarget, ids], unkept === undefined ? "DO 0" : [unkept, ids]];
        });
        const [source, duplicates, target, unkept] = results as [
          StatementResult,
          StatementResult,
          StatementResult,
          StatementResult,
        ];
        const [inSource, differing] = [readIds(source), readDuplicates(duplicates)];
        const [inTarget, reasons] = [readIds(target), readReasons(unkept)];
        return ids.map((id) => ({
          id,
          source: inSource.has(id),
          target: differing.has(id) || inTarget.has(id),
          differs: differing.get(id) ?? [],
          ...(reasons.has(id) && { unfit: reasons.get(id) }),
        }));
      });
    },

    async move(move, work) {
      if (move.ids.length === 0) return { counts: noCounts(), fates: [] };
      try {
        return await moving((current) =>
          withPlan(current, move.verb, (known) => moveLeads(parts, current, known, move, work)),
        );
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
    diagnose: () => withComparer(diagnose),

    ready: () =>
      withComparer(async (connection) => {
        const { plan } = await ask(connection);
        // One direction is enough to work in.
        if (isRefused(plan, "archive")) statementsFor(plan, "dearchive");
      }),

    async close() {
      await inTurn(async () => {
        await noting;
        session?.close();
      });
      await Promise.all([reading.end(), comparing.end()]);
    },
  };
}

/** Returns a function that does work on a connection of the pool, and throws errors that can be shown. */
const usePool =
  (pool: Readers) =>
  async <Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> => {
    try {
      const connection = await pool.getConnection();
      try {
        return await work(connection);
      } finally {
        connection.release();
      }
    } catch (error) {
      throw readable(error);
    }
  };
