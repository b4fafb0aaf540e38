import type { OutcomeWord } from "../operation/operation.ts";
import { ownText } from "../text/own-text.ts";

/**
 * The kinds of events of a batch. `undo_prepared`: the batch that undoes it exists, and runs once it is resumed. `completed` and
 * `failed` are by the process, all others by an actor.
 */
export const eventVerbs = [
  "created",
  "stopped",
  "resumed",
  "retried",
  "reexamined",
  "marked",
  "undo_prepared",
  "completed",
  "failed",
] as const;
/** The kind of an event of a batch. */
export type EventVerb = (typeof eventVerbs)[number];

/** The actor of a change, and the reason for it. */
export interface Act {
  /** The id of the key that made the change. */
  actor?: string | null | undefined;
  /** The reason, in the actor's words. */
  note?: string | undefined;
}

/** The facts of an event, as far as its verb has them. */
export interface EventFacts {
  /** The code to which a retry or a mark was limited. */
  code: string | null;
  /** The number of items that were retried, reexamined or marked. */
  items: number | null;
  /** The outcome that marked items have since. */
  outcome: OutcomeWord | null;
  /** The batch that would undo this one. */
  batch: number | null;
}

/** A change of a batch. `note`: the reason; of `failed`, the error of the batch. */
export interface BatchEvent extends EventFacts {
  /** Milliseconds since 1970 UTC. */
  at: number;
  verb: EventVerb;
  actor: string | null;
  note: string | null;
  /** The generation that the batch had, or that the change started. */
  generation: number;
}

/** A change of a batch, as it is recorded. */
export interface NewEvent extends Act {
  verb: EventVerb;
  at: number;
  /** Default: the current generation of the batch. */
  generation?: number;
  facts?: Partial<EventFacts>;
}

/** Characters of a note at most. */
const mostNoteCharacters = 1000;

/** Accepts the note of a change. */
export const noteText = ownText(mostNoteCharacters).refine((note) => note.trim() !== "", "must not be blank");
