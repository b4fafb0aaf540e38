import { setImmediate } from "node:timers/promises";
import { type Host, isTransient, ReinstateError, toMessage } from "@reinstate/batch-core";
import type { Connecting } from "./connect.ts";
import { readable } from "./errors.ts";
import type { Journal } from "./journal.ts";
import { clockSkewMs, recoverMoves, reopenFinishedMoves } from "./recover.ts";
import type { SchemaCache } from "./schema-cache.ts";
import { openSession, type Session } from "./session.ts";

/** The session of this process that moves leads. It is opened again after it breaks. */
export interface ExclusiveSession {
  /**
   * Runs `work` on a healthy session that holds the advisory lock, after unfinished moves have been recovered. Rejects with errors
   * that can be shown to a caller.
   */
  run<Result>(work: (session: Session) => Promise<Result>): Promise<Result>;
  /**
   * Recovers the moves of a mover that died, so that a read does not see half of a move. A running mover holds the locks of its
   * rows, so reads need no protection from it.
   */
  recover(): Promise<void>;
  /** Marks journal entries as done. Resolves when that is durable, or when the failure was logged. */
  markDone(entries: readonly number[]): Promise<void>;
  close(): Promise<void>;
}

interface ExclusiveParts extends Pick<Host, "log" | "clock"> {
  journal: Journal;
  schema: SchemaCache;
  connecting: Connecting;
  options: Parameters<typeof openSession>[1] & { clockSkewMs?: number };
}

/** The open session. */
interface Current {
  session: Session;
  /** The start of its server, in milliseconds since the epoch. */
  startedAt: number;
  /** True once the moves before the server's last start have been reopened. */
  hasReopened: boolean;
}

export function createExclusiveSession(parts: ExclusiveParts): ExclusiveSession {
  const { journal, log } = parts;
  let current: Current | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  /** Pending journal updates of finished moves. After a crash those moves are recovered. */
  let journalWrites: Promise<void> = Promise.resolve();
  /** The latest loss of the server. Moves that waited at that time fail with it, instead of each after a wait of its own. */
  let outage: { at: number; error: unknown } | undefined;

  /** Serializes work: one connection performs all moves. */
  function serialize<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = queue.then(work, work);
    queue = result.catch(() => {});
    return result;
  }

  const isBroken = () => !current || current.session.broken();

  function run<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const calledAt = performance.now();
    return serialize(async () => {
      if (outage && outage.at > calledAt) throw outage.error;
      try {
        if (!current || current.session.broken()) {
          current = await open(parts);
          await warnAboutOtherNamespaces(parts, current.session);
        }
        const used = current;
        return await used.session.alone(
          async () => {
            await journalWrites;
            await recoverAll(parts, used);
            return work(used.session);
          },
          () => journalWrites,
        );
      } catch (error) {
        if (current && !(await current.session.alive())) current.session.close();
        const shown = readable(error);
        if (isBroken() && isTransient(shown)) outage = { at: performance.now(), error: shown };
        throw shown;
      }
    });
  }

  return {
    run,

    async recover() {
      await journalWrites;
      if (current && !isBroken() && (await journal.unfinished(current.session.journalNamespace)).length === 0) return;
      await run(async () => {}).catch((error: unknown) => {
        if (!ReinstateError.is(error, "transient")) throw error;
      });
    },

    markDone(entries) {
      journalWrites = journalWrites
        // The reply to the caller goes first.
        .then(() => setImmediate())
        .then(() => journal.markDone(entries))
        .catch((error: unknown) => {
          log.warn({ error: toMessage(error) }, "failed to mark journal entries as done; they will be recovered");
        });
      return journalWrites;
    },

    close: () =>
      serialize(async () => {
        await journalWrites;
        current?.session.close();
      }),
  };
}

async function open({ connecting, options, clock }: ExclusiveParts): Promise<Current> {
  const session = await openSession(connecting, options);
  return { session, startedAt: clock.now() - session.uptime, hasReopened: false };
}

/** Warns about unfinished entries under another database name, because the server may have been renamed. */
async function warnAboutOtherNamespaces(
  { journal, log }: ExclusiveParts,
  { journalNamespace }: Session,
): Promise<void> {
  for (const other of await journal.others(journalNamespace)) {
    log.warn(
      { database: journalNamespace, other },
      "unfinished moves found under another database name; if the server was renamed, set `site` to that name",
    );
  }
}

async function recoverAll({ journal, log, schema, options }: ExclusiveParts, current: Current): Promise<void> {
  const { session, startedAt } = current;
  const readPlan = () => schema.checkedPlan(session.connection);
  const server = { startedAt, clockSkewMs: options.clockSkewMs ?? clockSkewMs };
  if (!current.hasReopened && (await readPlan()).locking === "tables") {
    await reopenFinishedMoves(journal, session.journalNamespace, server);
  }
  current.hasReopened = true;
  await recoverMoves({ journal, log }, session, server, readPlan);
}
