import type { Outcome } from "@reinstate/batch-core";
import { identity } from "./columns.ts";
import type { LeadResult, LeadState, Move } from "./move.ts";

/** The highest id that the tables can hold: INT UNSIGNED. Any other number does not exist. */
export const highestLeadId = 4_294_967_295;

/** What is said of one lead, from what was asked and what was seen. */
export function toOutcome(asked: Pick<Move, "insert" | "update" | "delete">, result: LeadResult): Outcome {
  const key = result.id;
  if (!result.source) {
    return result.target
      ? { key, outcome: "skipped", code: "already_there", message: "The lead is in the other table already" }
      : { key, outcome: "failed", code: "missing", message: "The lead is in neither table" };
  }
  if (result.unfit !== undefined) {
    return keptUnfit(key, result.unfit);
  }
  if (result.differs.length > 0 && (asked.insert || asked.update || asked.delete)) {
    const columns = result.differs.join(", ");
    return isCollision(result)
      ? {
          key,
          outcome: "failed",
          code: "id_collision",
          message: `The other table holds another lead with this id: it differs in ${columns}; both were kept`,
        }
      : {
          key,
          outcome: "failed",
          code: "differs",
          message: `Both tables hold this lead, and it differs in ${columns}; both copies were kept`,
        };
  }
  if (asked.delete && !result.deleted) {
    return result.target || result.inserted
      ? { key, outcome: "failed", code: "not_deleted", message: "The lead was kept: its copies could not be verified" }
      : {
          key,
          outcome: "failed",
          code: "not_in_target",
          message: "The lead was kept: the other table has no copy of it",
        };
  }
  if (result.inserted || result.updated || result.deleted) return { key, outcome: "done" };
  return asked.insert
    ? { key, outcome: "skipped", code: "already_there", message: "The other table holds the same lead already" }
    : { key, outcome: "skipped", code: "nothing_asked", message: "Neither an insert nor a delete was asked for" };
}

/** A lead on a call is not archived: what comes of the call would be written to a row that is gone. */
export const keptOnCall = (key: number): Outcome => ({
  key,
  outcome: "failed",
  code: "on_call",
  message: "The lead was kept: somebody is on a call with it",
});

/** A lead that the target cannot hold stays in the source. */
export const keptUnfit = (key: number, reason: string): Outcome => ({
  key,
  outcome: "failed",
  code: "does_not_fit",
  message: `The lead was kept: ${reason}`,
});

/** Do the two tables hold different leads under one id? */
export const isCollision = ({ differs }: Pick<LeadState, "differs">) =>
  identity.every((name) => differs.includes(name));

export type Verdict = "archive_only" | "live_only" | "both_equal" | "both_differ" | "id_collision" | "missing";

/** How a lead lies, in one word. What is not in the source table is `missing`, as the API says. */
export function toExplanation(verb: Move["verb"], standing: LeadState): Verdict {
  const { source, target, differs } = standing;
  if (!source) return "missing";
  if (!target) return verb === "dearchive" ? "archive_only" : "live_only";
  if (differs.length === 0) return "both_equal";
  return isCollision(standing) ? "id_collision" : "both_differ";
}

/** What a move would do with a lead that lies so. */
export function expectedFate(asked: Pick<Move, "insert" | "update" | "delete">, standing: LeadState): LeadResult {
  const { id, source, target, differs, unfit } = standing;
  const stale = source && target && differs.length > 0;
  const copied = (source && !target && asked.insert) || (stale && asked.update && !isCollision(standing));
  const fits = unfit === undefined;
  const inserted = copied && !target && fits;
  const updated = copied && target && fits;
  const equal = inserted || updated || (source && target && !stale);
  return {
    id,
    source,
    target,
    inserted,
    updated,
    deleted: equal && asked.delete,
    differs: stale && !updated ? differs : [],
    ...(copied && !fits && { unfit }),
  };
}
