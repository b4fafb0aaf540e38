import { addCounts, type LeadResult, type Move, type Moved, noCounts } from "../../leads/move.ts";
import type { MoveWork } from "../lead-store.ts";
import { type Plan, statementsFor } from "./plan.ts";
import type { Session } from "./session.ts";
import { type MoverParts, moveSlice, type Run, type Slice } from "./slice.ts";

/** A move ended early. */
export class MoveBroken extends Error {
  /** True if leads may have been moved by then. */
  readonly written: boolean;

  constructor(written: boolean, cause: unknown) {
    super("A move ended early", { cause });
    this.written = written;
  }
}

/** Carries out one move in slices, each under its own lock. The session must be alone. Throws a `MoveBroken`. */
export async function moveLeads(
  parts: MoverParts,
  session: Session,
  plan: Plan,
  move: Move,
  { signal, throttled = false, chunk }: Pick<MoveWork, "signal" | "throttled" | "chunk">,
): Promise<Moved> {
  const counts = noCounts();
  const results: LeadResult[] = [];
  const finished: number[] = [];
  let slice: Slice | undefined;
  try {
    const run: Run = { ...parts, session, plan, statements: statementsFor(plan, move.verb), move, chunk };
    const size = move.allOrNothing ? move.ids.length : parts.leadsPerLock;
    for (let start = 0; start < move.ids.length; start += size) {
      signal?.throwIfAborted();
      slice = { ids: move.ids.slice(start, start + size), state: "reading" };
      const { moved, heldMs } = await moveSlice(run, slice);
      if (slice.entry) finished.push(slice.entry.id);
      slice = undefined;
      addCounts(counts, moved.counts);
      results.push(...moved.results);
      // Others may go on undisturbed for as long as they had to wait.
      if (throttled) await parts.clock.sleep(heldMs, signal);
    }
    await parts.onStep("finished");
    parts.markFinished(finished);
    return { counts, results };
  } catch (error) {
    const alive = await session.alive();
    if (!alive) session.close();
    // The end of the slice is known if no write was sent, or if a transaction was rolled back: nothing is left to recover then.
    const known = slice?.state === "reading" || (alive && (plan.locking === "rows" || slice?.state !== "writing"));
    if (known && slice?.entry) finished.push(slice.entry.id);
    const noted = parts.markFinished(finished);
    const written = results.length > 0 || slice?.state === "written" || (slice?.state === "writing" && !known);
    // Invariant: after the answer that nothing was moved, recovery must not move it.
    if (!written) await noted;
    throw new MoveBroken(written, error);
  }
}
