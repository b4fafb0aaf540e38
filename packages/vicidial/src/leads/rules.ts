import type { Outcome } from "@reinstate/batch-core";
import { identity } from "./columns.ts";
import type { LeadResult, LeadState, Move } from "./move-types.ts";

/** The highest id that the tables can hold (INT UNSIGNED). A lead with a higher id cannot exist. */
export const highestLeadId = 4_294_967_295;

/** Returns the outcome of one lead, from the requested move and its result. */
export function toOutcome(requested: Pick<Move, "insert" | "update" | "delete">, result: LeadResult): Outcome {
  const key = result.id;
  if (!result.source) {
    return result.target
      ? { key, outcome: "skipped", code: "already_there", message: "The lead is in the other table already" }
      : { key, outcome: "failed", code: "missing", message: "The lead is in neither table" };
  }
  if (result.unfit !== undefined) {
    return toUnfitOutcome(key, result.unfit);
  }
  if (result.differs.length > 0 && (requested.insert || requested.update || requested.delete)) {
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
  if (requested.delete && !result.deleted) {
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
  return requested.insert
    ? { key, outcome: "skipped", code: "already_there", message: "The other table holds the same lead already" }
    : { key, outcome: "skipped", code: "nothing_asked", message: "Neither an insert nor a delete was requested" };
}

/** Returns the outcome of a lead on a running call. It is not archived, because the result of the call would be lost. */
export const toOnCallOutcome = (key: number): Outcome => ({
  key,
  outcome: "failed",
  code: "on_call",
  message: "The lead was kept: it is on a running call",
});

/** Returns the outcome of a lead that the target cannot hold. It stays in the source. */
export const toUnfitOutcome = (key: number, reason: string): Outcome => ({
  key,
  outcome: "failed",
  code: "does_not_fit",
  message: `The lead was kept: ${reason}`,
});

/** True if the two tables hold different leads under one id. */
export const isCollision = ({ differs }: Pick<LeadState, "differs">) =>
  identity.every((name) => differs.includes(name));

export type Verdict = "archive_only" | "live_only" | "both_equal" | "both_differ" | "id_collision" | "missing";

/** Returns the verdict of `explain` on a lead. A lead that is not in the source table is `missing`, as in the API. */
export function toExplanation(verb: Move["verb"], state: LeadState): Verdict {
  const { source, target, differs } = state;
  if (!source) return "missing";
  if (!target) return verb === "dearchive" ? "archive_only" : "live_only";
  if (differs.length === 0) return "both_equal";
  return isCollision(state) ? "id_collision" : "both_differ";
}

/** Returns the result that a move would have for a lead in this state. */
export function predictResult(requested: Pick<Move, "insert" | "update" | "delete">, state: LeadState): LeadResult {
  const { id, source, target, differs, unfit } = state;
  const stale = source && target && differs.length > 0;
  const copied = (source && !target && requested.insert) || (stale && requested.update && !isCollision(state));
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
    deleted: equal && requested.delete,
    differs: stale && !updated ? differs : [],
    ...(copied && !fits && { unfit }),
  };
}
