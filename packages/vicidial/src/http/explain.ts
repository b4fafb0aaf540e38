import type { Verb } from "../leads/move.ts";
import { relatedRecordNames } from "../leads/related-records.ts";
import { highestLeadId, predictResult, toExplanation, toOnCallOutcome, toOutcome } from "../leads/rules.ts";
import type { ExplainReply } from "../schemas.ts";
import type { LeadStore } from "../store/lead-store.ts";
import type { LeadsRequest } from "./request.ts";

/** Tells of each lead how it lies in the two tables. Changes nothing. */
export async function explain(store: LeadStore, verb: Verb, request: LeadsRequest): Promise<ExplainReply> {
  const ids = request.ids.filter((id) => id >= 0n && id <= BigInt(highestLeadId)).map(Number);
  const standings = new Map((await store.inspect(verb, ids)).map((standing) => [standing.id, standing]));
  const sources = ids.filter((id) => standings.get(id)?.source);
  const companions = await store.relatedRecords(verb, "source", sources);
  const onCall = verb === "archive" && request.delete ? await store.onCall(sources) : new Set();
  const leads = request.ids.map((given): ExplainReply["leads"][number] => {
    const id = Number(given);
    const standing = standings.get(id) ?? { id, source: false, target: false, differs: [] };
    const { source, target, differs } = standing;
    const outcome = onCall.has(id) ? toOnCallOutcome(id) : toOutcome(request, predictResult(request, standing));
    const found = companions.get(id);
    return {
      // An id that no number can hold stays a text.
      lead_id: Number.isSafeInteger(id) ? id : String(given),
      verdict: toExplanation(verb, standing),
      ...(source && target && differs.length > 0 && { columns: [...differs] }),
      live: verb === "dearchive" ? target : source,
      archive: verb === "dearchive" ? source : target,
      outcome: outcome.outcome,
      ...("code" in outcome && { code: outcome.code }),
      ...(found && {
        companions: Object.fromEntries(
          relatedRecordNames.map((name) => [name, found[name]]).filter(([, count]) => count),
        ),
      }),
    };
  });
  return { message: "lead_ids were looked at, nothing was changed", select_count: sources.length, leads };
}
