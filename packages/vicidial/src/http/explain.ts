import type { Verb } from "../leads/move-types.ts";
import { relatedRecordNames } from "../leads/related-records.ts";
import { highestLeadId, predictResult, toExplanation, toOnCallOutcome, toOutcome } from "../leads/rules.ts";
import type { ExplainReply } from "../schemas.ts";
import type { LeadStore } from "../store/lead-store.ts";
import type { LeadsRequest } from "./request.ts";

/** Returns the state of each lead in the two tables, and the outcome that the call would have. Changes nothing. */
export async function explain(store: LeadStore, verb: Verb, request: LeadsRequest): Promise<ExplainReply> {
  const ids = request.ids.filter((id) => id >= 0n && id <= BigInt(highestLeadId)).map(Number);
  const states = new Map((await store.inspect(verb, ids)).map((state) => [state.id, state]));
  const sources = ids.filter((id) => states.get(id)?.source);
  const related = await store.relatedRecords(verb, "source", sources);
  const onCall = verb === "archive" && request.delete ? await store.onCall(sources) : new Set();
  const leads = request.ids.map((requested): ExplainReply["leads"][number] => {
    const id = Number(requested);
    const state = states.get(id) ?? { id, source: false, target: false, differs: [] };
    const { source, target, differs } = state;
    const outcome = onCall.has(id) ? toOnCallOutcome(id) : toOutcome(request, predictResult(request, state));
    const found = related.get(id);
    return {
      // An id beyond the safe integers stays a string.
      lead_id: Number.isSafeInteger(id) ? id : String(requested),
      verdict: toExplanation(verb, state),
      ...(source && target && differs.length > 0 && { columns: [...differs] }),
      live: verb === "dearchive" ? target : source,
      archive: verb === "dearchive" ? source : target,
      outcome: outcome.outcome,
      ...("code" in outcome && { code: outcome.code }),
      ...(found && {
        related_records: Object.fromEntries(
          relatedRecordNames.map((name) => [name, found[name]]).filter(([, count]) => count),
        ),
      }),
    };
  });
  return { message: "Preview only, nothing was changed", select_count: sources.length, leads };
}
