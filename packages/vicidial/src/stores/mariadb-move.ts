import { addCounts, type Fate, LeadsMissing, type Move, type Moved, type MoveWork, noCounts } from "../store.ts";
import { idsOf } from "./mariadb-rows.ts";
import type { Session } from "./mariadb-session.ts";
import { type Common, createSliceMover, type Meet, type SliceParts, type Trace } from "./mariadb-slice.ts";
import type { Plan } from "./mariadb-tables.ts";
import type { Slices } from "./slices.ts";

export interface MoverParts extends SliceParts {
  /** Takes note that a move has come to its end. Who asked for it need not wait for that. */
  ended(entries: readonly number[]): void;
  slices: Slices;
  /** How long the tables may be locked at once in a call for which somebody waits. */
  lockMs: number;
  /** Leads for which a second session is worth its while. */
  leadsPerSession: number;
  /** A second session on the same database, where one can be had. */
  beside(session: Session): Promise<Session | undefined>;
}

/** A lock of rows may be held for so many times as long as one of tables: it holds nobody up who wants other leads. */
const longerOnRows = 4;

/** A move that ended early, and whether anything had been written by then. */
export class MoveBroken extends Error {
  readonly written: boolean;

  constructor(written: boolean, cause: unknown) {
    super("A move ended early", { cause });
    this.written = written;
  }
}

/**
 * Carries out one move in slices, each under its own lock; a large one that locks rows alone goes by halves, on two sessions at
 * once. The session must be alone. Throws a `MoveBroken`.
 */
export async function moveLeads(
  parts: MoverParts,
  session: Session,
  plan: Plan,
  move: Move,
  { signal, throttled = false, chunk }: Pick<MoveWork, "signal" | "throttled" | "chunk">,
): Promise<Moved> {
  const { ended, clock, slices, onStep } = parts;
  const byRows = plan.locking === "rows";
  // Nobody waits for the end of a batch, so others wait less for its locks.
  const lockMs = (parts.lockMs * (byRows ? longerOnRows : 1)) / (throttled ? 2 : 1);
  const trace: Trace = { entries: [], kept: { source: new Map(), target: new Map() }, written: false };
  const common: Common = { plan, move, lockMs, trace, throttled, ...(chunk !== undefined && { chunk }) };
  const first = { session, slices: createSliceMover(parts, session, common) };
  let second: typeof first | undefined;

  /** Where one lock does not hold them all. */
  async function mustLieInSource(): Promise<void> {
    const there = await idsOf(session.connection, plan.verbs[move.verb].inSource, move.ids);
    const absent = move.ids.filter((id) => !there.has(id));
    if (absent.length > 0) throw new LeadsMissing(absent);
  }

  async function moveSlice(ids: readonly number[]): Promise<{ moved: Moved[]; heldMs: number }> {
    const whole = move.whole === true && ids.length === move.ids.length;
    // Locks of gaps, which one of the two would wait for with the other, are not for halves.
    if (byRows && !throttled && !session.locksGaps && ids.length >= 2 * parts.leadsPerSession) {
      const beside = await parts.beside(session);
      if (beside && beside !== second?.session) {
        second = { session: beside, slices: createSliceMover(parts, beside, common) };
      }
      if (beside && second) {
        const middle = ids.length >> 1;
        const halves = [ids.slice(0, middle), ids.slice(middle)] as const;
        return byHalves([first.slices, second.slices], halves, whole);
      }
    }
    const moved = await first.slices.move(ids, async (absent) => (whole ? absent : []));
    return { moved: [moved], heldMs: first.slices.heldMs() };
  }

  try {
    const counts = noCounts();
    const fates: Fate[] = [];
    for (let start = 0; start < move.ids.length; ) {
      signal?.throwIfAborted();
      const slice = move.ids.slice(start, start + slices.size(lockMs, move.ids.length - start));
      if (move.whole && start === 0 && slice.length < move.ids.length) await mustLieInSource();
      start += slice.length;
      const { moved, heldMs } = await moveSlice(slice);
      slices.took(slice.length, heldMs);
      for (const part of moved) {
        addCounts(counts, part.counts);
        fates.push(...part.fates);
      }
      // As long as others had to wait they may go on undisturbed.
      if (throttled) await clock.sleep(heldMs, signal);
    }
    await onStep("finished");
    ended(trace.entries);
    return { counts, fates };
  } catch (error) {
    const sessions = second ? [session, second.session] : [session];
    const alive = await Promise.all(sessions.map((one) => one.alive()));
    // Where the connections live, every statement is known to have ended and nothing is left to be put right.
    if (alive.every(Boolean)) ended(trace.entries);
    for (const [index, one] of sessions.entries()) if (!alive[index]) one.close();
    throw new MoveBroken(trace.written, error);
  }
}

type SliceMover = ReturnType<typeof createSliceMover>;

/** Two halves at once. Has an error only when both have come to their end. */
async function byHalves(
  movers: readonly [SliceMover, SliceMover],
  halves: readonly [readonly number[], readonly number[]],
  whole: boolean,
): Promise<{ moved: Moved[]; heldMs: number }> {
  const told = movers.map(() => Promise.withResolvers<readonly number[]>());
  const missed = Promise.all(told.map(({ promise }) => promise)).then((all) => all.flat());
  // Whoever waits for it hears of it.
  missed.catch(() => {});
  const moves = await Promise.allSettled(
    movers.map(async (mover, index) => {
      const mine = told[index] as (typeof told)[number];
      const meet: Meet = async (absent) => {
        mine.resolve(absent);
        return whole ? missed : [];
      };
      try {
        return await mover.move(halves[index] as readonly number[], meet);
      } catch (error) {
        // The other half is not to wait for one that does not come.
        mine.reject(error);
        throw error;
      }
    }),
  );
  const moved = moves.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
  return { moved, heldMs: Math.max(...movers.map((mover) => mover.heldMs())) };
}
