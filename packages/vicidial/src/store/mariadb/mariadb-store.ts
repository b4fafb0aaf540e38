import { type Host, toMessage } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import { noCounts } from "../../leads/move-types.ts";
import type { DialerTables } from "../dialer-tables.ts";
import type { LeadStore } from "../lead-store.ts";
import { openReaders, parseMariadbUrl, type Readers } from "./connect.ts";
import { createDialerTables } from "./dialer-tables.ts";
import { afterMove, readable } from "./errors.ts";
import { createExclusiveSession } from "./exclusive-session.ts";
import { createJournal } from "./journal.ts";
import { findIds, readDuplicates, readIds, readReasons } from "./lead-rows.ts";
import { moveLeads } from "./move.ts";
import { archive, live } from "./names.ts";
import { isRefused, statementsFor } from "./plan.ts";
import { noStatement, runStatements } from "./query.ts";
import { createRelatedRecordReader } from "./related-record-reader.ts";
import { createSchemaCache } from "./schema-cache.ts";
import { selectLeads } from "./select.ts";
import { comparisonSettings } from "./session.ts";
import type { MoverParts, Step } from "./slice.ts";

export interface MariadbOptions {
  url: string;
  leadsPerLock: number;
  lockWaitSeconds: number;
  journalDays: number;
  /** The name of this database in the journal. Default: host, port and schema as the server reports them. */
  site?: string | undefined;
  /** For tests: called at each step of a move. */
  onStep?: (step: Step) => Promise<void>;
  /** For tests: seconds of silence under a lock after which the server drops the connection. */
  lockedSilence?: number;
  /** For tests: the maximum difference between the clocks of two workers, in milliseconds. */
  clockSkewMs?: number;
}

/** The lead store of a real VICIdial database, and access to its other tables. */
export interface MariadbStore extends LeadStore {
  otherTables: DialerTables;
  /** Runs `work` on a reading connection that has the settings of the connection that moves leads. */
  read<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result>;
}

/**
 * Opens the store of a real VICIdial database. `move.ts` describes how it moves leads safely. Unfinished moves of earlier processes
 * are recovered in the background.
 */
export async function createMariadbStore(host: Host, options: MariadbOptions): Promise<MariadbStore> {
  const connecting = parseMariadbUrl(options.url);
  const journal = await createJournal(host.database, host.clock, options.journalDays);
  /** Reads in the time zone of the server, as VICIdial does. */
  const reading = openReaders(connecting);
  /** Compares leads with the settings of the connection that moves them. */
  const comparing = openReaders(connecting, { connections: 2, settings: comparisonSettings });
  const withReader = usePool(reading);
  const withComparer = usePool(comparing);
  const schema = createSchemaCache();
  const otherTables = createDialerTables(withReader);
  const { log, clock } = host;
  const exclusive = createExclusiveSession({ journal, schema, connecting, options, log, clock });
  const parts: MoverParts = {
    journal,
    markDone: exclusive.markDone,
    log,
    clock,
    leadsPerLock: options.leadsPerLock,
    onStep: options.onStep ?? (async () => {}),
    lockedSilence: options.lockedSilence,
  };
  const related = createRelatedRecordReader(() => host.clock.now());

  // Recover at startup. If the database is unreachable now, the next move recovers.
  exclusive
    .run(async () => {})
    .catch((error: unknown) => {
      log.warn({ error: toMessage(error) }, "failed to recover unfinished moves at startup");
    });

  return {
    effects: "elsewhere",

    async findInSource(verb, ids) {
      const find = () =>
        withComparer(async (connection) => {
          // The move itself checks the plan against the tables, under its lock.
          const { countInSource, inSource } = statementsFor(await schema.planFor(connection, verb), verb);
          // Performance: usually all ids are found, and a count is cheaper than the ids.
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
        const statements = statementsFor(await schema.checkedPlan(connection), verb);
        const [source, duplicates, target, unkept] = await runStatements(
          connection,
          [statements.inSource, ids],
          [statements.duplicates, ids],
          [statements.inTarget, ids],
          statements.unkept === undefined ? noStatement : [statements.unkept, ids],
        );
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
      const entries = await exclusive.run(({ journalNamespace }) => journal.ofChunk(journalNamespace, chunk));
      return new Map(
        entries.flatMap(({ source, copied }) => {
          const ids = new Set(copied);
          return Object.keys(source).map((id) => [Number(id), { copied: ids.has(Number(id)) }] as const);
        }),
      );
    },

    select: (verb, filter) => selectLeads(withReader, host.clock, verb === "dearchive" ? archive : live, filter),

    onCall: (ids) => withReader((connection) => related.onCall(connection, ids)),
    relatedRecords: (verb, side, ids) =>
      withReader((connection) =>
        related.report(connection, (verb === "dearchive") === (side === "source") ? archive : live, ids),
      ),
    // On the connection that moves leads: its strict SQL mode rejects truncated values.
    restoreCallbacks: (ids) => exclusive.run(({ connection }) => related.restoreCallbacks(connection, ids)),
    otherTables,
    logMove: otherTables.logMove,
    read: withComparer,

    ready: () =>
      withComparer(async (connection) => {
        const plan = await schema.checkedPlan(connection);
        // One allowed verb is enough to be ready.
        if (isRefused(plan, "archive")) statementsFor(plan, "dearchive");
      }),

    async close() {
      await exclusive.close();
      await Promise.all([reading.end(), comparing.end()]);
    },
  };
}

/** Returns a function that runs work on a connection of the pool and rejects with errors that can be shown to a caller. */
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
