import { type Host, toMessage } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import { noCounts } from "../../leads/move.ts";
import type { LeadStore } from "../lead-store.ts";
import type { VicidialDatabase } from "../vicidial-database.ts";
import { openReaders, parseMariadbUrl, type Readers } from "./connect.ts";
import { afterMove, readable } from "./errors.ts";
import { createExclusiveSession } from "./exclusive-session.ts";
import { createJournal } from "./journal.ts";
import { findIds, readDuplicates, readIds, readReasons } from "./lead-rows.ts";
import { moveLeads } from "./move.ts";
import { archive, live } from "./names.ts";
import { isRefused, statementsFor } from "./plan.ts";
import { noStatement, runStatements } from "./query.ts";
import { createRelatedRecordReader } from "./related-records.ts";
import { createSchemaCache } from "./schema-cache.ts";
import { selectLeads } from "./select.ts";
import { comparisonSettings } from "./session.ts";
import type { MoverParts, Step } from "./slice.ts";
import { createVicidialDatabase } from "./vicidial-database.ts";

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

/** The leads of a real VICIdial database, and what lies around them. */
export interface MariadbStore extends LeadStore {
  database: VicidialDatabase;
  /** Does work on a connection that only reads, with the settings of the connection that moves leads. */
  read<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result>;
}

/**
 * Leads of a real VICIdial database. The images of the rows are on disk in the host's database before anything is
 * written; then, slice by slice under a lock, the rows are copied by column name and deleted by the one statement that
 * also compares them. A session that begins recovers what a broken one left.
 */
export async function createMariadbStore(host: Host, options: MariadbOptions): Promise<MariadbStore> {
  const connecting = parseMariadbUrl(options.url);
  const journal = await createJournal(host.database, host.clock, options.journalDays);
  /** Reads in the zone of the server, as VICIdial does. */
  const reading = openReaders(connecting);
  /** Compares leads, with the settings of the connection that moves them. */
  const comparing = openReaders(connecting, { connections: 2, settings: comparisonSettings });
  const withReader = usePool(reading);
  const withComparer = usePool(comparing);
  const schema = createSchemaCache();
  const database = createVicidialDatabase(withReader);
  const { log, clock } = host;
  const exclusive = createExclusiveSession({ journal, schema, connecting, options, log, clock });
  const parts: MoverParts = {
    journal,
    markFinished: exclusive.markFinished,
    log,
    clock,
    leadsPerLock: options.leadsPerLock,
    onStep: options.onStep ?? (async () => {}),
    lockedSilence: options.lockedSilence,
  };
  const companions = createRelatedRecordReader(() => host.clock.now());

  // At the start, so that nothing waits for the next move; if the database is away now, the next move recovers.
  exclusive
    .run(async () => {})
    .catch((error: unknown) => {
      log.warn({ error: toMessage(error) }, "failed to recover unfinished moves at the start");
    });

  return {
    effects: "elsewhere",

    async findInSource(verb, ids) {
      const find = () =>
        withComparer(async (connection) => {
          // The move itself checks the plan against the tables, under its lock.
          const { countInSource, inSource } = statementsFor(await schema.planFor(connection, verb), verb);
          // Mostly all of them do, and one number says so.
          const [counted] = await runStatements(connection, [countInSource, ids]);
          if (Number(counted?.rows[0]?.[0]) === ids.length) return new Set(ids);
          return findIds(connection, inSource, ids);
        });
      const found = await find();
      if (found.size === ids.length) return found;
      await exclusive.recover();
      return find();
    },

    async inspect(verb, ids) {
      if (ids.length === 0) return [];
      await exclusive.recover();
      return withComparer(async (connection) => {
        await schema.planFor(connection, verb);
        const [source, duplicates, target, unkept] = await schema.ask(connection, (plan) => {
          const statements = statementsFor(plan, verb);
          return [
            [statements.inSource, ids],
            [statements.duplicates, ids],
            [statements.inTarget, ids],
            statements.unkept === undefined ? noStatement : [statements.unkept, ids],
          ];
        });
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
      if (move.ids.length === 0) return { counts: noCounts(), results: [] };
      try {
        return await exclusive.run((session) =>
          schema.withPlan(session.connection, move.verb, (plan) => moveLeads(parts, session, plan, move, work)),
        );
      } catch (error) {
        throw afterMove(error);
      }
    },

    async journaledMoves(chunk) {
      const entries = await exclusive.run(({ database }) => journal.ofChunk(database, chunk));
      return new Map(
        entries.flatMap(({ source, copied }) => {
          const ids = new Set(copied);
          return Object.keys(source).map((id) => [Number(id), { copied: ids.has(Number(id)) }] as const);
        }),
      );
    },

    select: (verb, filter) => selectLeads(withReader, host.clock, verb === "dearchive" ? archive : live, filter),

    onCall: (ids) => withReader((connection) => companions.onCall(connection, ids)),
    relatedRecords: (verb, side, ids) =>
      withReader((connection) =>
        companions.report(connection, (verb === "dearchive") === (side === "source") ? archive : live, ids),
      ),
    // On the connection that moves: its SQL mode refuses what would be cut.
    restoreRelatedRecords: (ids) => exclusive.run(({ connection }) => companions.restoreCallbacks(connection, ids)),
    database,
    logMove: database.logMove,
    read: withComparer,

    ready: () =>
      withComparer(async (connection) => {
        const plan = await schema.checkedPlan(connection);
        // One direction is enough to work in.
        if (isRefused(plan, "archive")) statementsFor(plan, "dearchive");
      }),

    async close() {
      await exclusive.close();
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
