import { setImmediate } from "node:timers/promises";
import { type Host, isTransient, ReinstateError, toMessage } from "@reinstate/batch-core";
import type { Connecting } from "./connect.ts";
import { readable } from "./errors.ts";
import type { Journal } from "./journal.ts";
import { doubtFinishedMoves, recoverMoves } from "./recover.ts";
import type { SchemaCache } from "./schema-cache.ts";
import { openSession, type Session } from "./session.ts";

/** The one session of this process that moves leads, opened again whenever it breaks. */
export interface ExclusiveSession {
  /** Does the work while no other mover is at work, after unfinished moves have been recovered. Throws errors that can be shown. */
  run<Result>(work: (session: Session) => Promise<Result>): Promise<Result>;
  /**
   * Finishes what a mover left that died, so that no answer shows the leads in the middle of a move. A mover that is at work holds
   * the lock of its tables, so its leads can be read as they are.
   */
  recover(): Promise<void>;
  /** Stores in the journal that moves have ended. Resolves when that is on disk, or failed and is in the log. */
  markFinished(entries: readonly number[]): Promise<void>;
  close(): Promise<void>;
}

interface ExclusiveParts extends Pick<Host, "log" | "clock"> {
  journal: Journal;
  schema: SchemaCache;
  connecting: Connecting;
  options: Parameters<typeof openSession>[1];
}

/** The open session. */
interface Current {
  session: Session;
  /** When its server was started. */
  startedAt: number;
  /** True once the moves before the server's last start have been doubted. */
  hasDoubted: boolean;
}

export function createExclusiveSession(parts: ExclusiveParts): ExclusiveSession {
  const { journal, log } = parts;
  let current: Current | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  /** The pending journal update for moves that have ended. After a crash those moves are recovered. */
  let noting: Promise<void> = Promise.resolve();
  /** The latest loss of the server; the moves that were waiting then end with it, and not each after a wait of its own. */
  let outage: { at: number; error: unknown } | undefined;

  /** One after the other: there is one connection that moves. */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = queue.then(work, work);
    queue = turn.catch(() => {});
    return turn;
  }

  const isBroken = () => !current || current.session.broken();

  function run<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const calledAt = performance.now();
    return inTurn(async () => {
      if (outage && outage.at > calledAt) throw outage.error;
      try {
        if (!current || current.session.broken()) {
          current = await open(parts);
          await logOthers(parts, current.session);
        }
        const used = current;
        return await used.session.alone(
          async () => {
            await noting;
            await recoverAll(parts, used);
            return work(used.session);
          },
          () => noting,
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
      await noting;
      if (current && !isBroken() && (await journal.unfinished(current.session.database)).length === 0) return;
      await run(async () => {}).catch((error: unknown) => {
        if (!ReinstateError.is(error, "transient")) throw error;
      });
    },

    markFinished(entries) {
      noting = noting
        // The answer of the move goes first.
        .then(() => setImmediate())
        .then(() => journal.done(entries))
        .catch((error: unknown) => {
          log.warn({ error: toMessage(error) }, "failed to note the end of a move: it will be recovered");
        });
      return noting;
    },

    close: () =>
      inTurn(async () => {
        await noting;
        current?.session.close();
      }),
  };
}

async function open({ connecting, options, clock }: ExclusiveParts): Promise<Current> {
  const session = await openSession(connecting, options);
  return { session, startedAt: clock.now() - session.uptime, hasDoubted: false };
}

/** A server that goes by another name now is not known for the same one. */
async function logOthers({ journal, log }: ExclusiveParts, { database }: Session): Promise<void> {
  for (const other of await journal.others(database)) {
    log.warn(
      { database, other },
      "moves of another VICIdial database are not finished; if it is this one by a former name, set `site` to that name",
    );
  }
}

async function recoverAll({ journal, log, schema }: ExclusiveParts, current: Current): Promise<void> {
  const { session, startedAt } = current;
  const readPlan = () => schema.checkedPlan(session.connection);
  if (!current.hasDoubted && (await readPlan()).locking === "tables") {
    await doubtFinishedMoves(journal, session.database, startedAt);
  }
  current.hasDoubted = true;
  await recoverMoves({ journal, log }, session, startedAt, readPlan);
}
