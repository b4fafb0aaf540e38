import { type Act, noteText } from "../batch/event.ts";
import { invalidRequest } from "../errors/errors.ts";
import { toIssues } from "../intake/validate-items.ts";

/**
 * Checks the actor and the note of a change.
 *
 * @throws ReinstateError `invalid_request` that names the note
 */
export function parseAct({ actor = null, note }: Act): { actor: string | null; note: string | undefined } {
  if (note === undefined) return { actor, note };
  const read = noteText.safeParse(note);
  if (!read.success) throw invalidRequest(...toIssues(read.error, "note"));
  return { actor, note: read.data };
}
