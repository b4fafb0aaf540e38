import { describeWait } from "../progress/progress-line.ts";
import type { BatchReply, HistoryReply, ItemsReply } from "../service/replies.ts";
import { formatCount, formatDuration, formatItems, formatTime } from "../terminal/numbers.ts";
import { outcomes } from "../terminal/outcomes.ts";
import { renderPairs, renderTable } from "../terminal/table.ts";
import { findNextCommand } from "./next-command.ts";

/** Renders a list of batches. */
export function renderBatches(batches: readonly BatchReply[]): string {
  const rows = batches.map((batch) => [
    String(batch.id),
    batch.operation + (batch.target === "upstream" ? " (upstream)" : "") + (batch.dry_run ? " (dry run)" : ""),
    batch.account === "" ? "-" : batch.account,
    batch.status,
    formatCount(batch.total),
    formatCount(batch.done),
    formatCount(batch.skipped),
    formatCount(batch.failed),
    formatCount(batch.unknown),
    formatTime(batch.created_at),
  ]);
  const head = ["ID", "OPERATION", "ACCOUNT", "STATUS", "TOTAL", "DONE", "SKIPPED", "FAILED", "UNKNOWN", "CREATED"];
  return renderTable(head, rows);
}

/** Renders a batch with its counts and failures. */
export function describeBatch(batch: BatchReply, server: string | undefined): string {
  const wait = describeWait(batch, Date.now());
  const next = findNextCommand(batch, server);
  const { started_at, finished_at, estimate } = batch;
  const pairs: [string, string | undefined][] = [
    ["Batch", `${batch.id}${batch.dry_run ? " (dry run)" : ""}`],
    ["Operation", `${batch.operation}${batch.target === "upstream" ? " at the real vendor" : ""}`],
    ["Account", batch.account || undefined],
    ["Params", Object.keys(batch.params).length > 0 ? JSON.stringify(batch.params) : undefined],
    ["Undo of", batch.undo_of ? `batch ${batch.undo_of}` : undefined],
    ["Items from", batch.from_batch && !batch.undo_of ? `batch ${batch.from_batch}` : undefined],
    ["Status", batch.status + (wait === undefined ? "" : `, ${wait}`)],
    ["Error", batch.error ?? undefined],
    ["Items", `${formatItems(batch.total, "item")}, ${batch.progress}%${describeDuplicates(batch)}`],
    ["Created", `${formatTime(batch.created_at)}${batch.actor === null ? "" : ` by ${batch.actor}`}`],
    ["Started", started_at === null ? undefined : formatTime(started_at)],
    ["Ended", finished_at === null ? undefined : `${formatTime(finished_at)}${describeLength(batch)}`],
    ["Estimate", estimate ? describeEstimate(estimate) : undefined],
    ["Next", next],
  ];
  const known = pairs.filter((pair): pair is [string, string] => pair[1] !== undefined);
  return `${renderPairs(known)}\n\n${renderCounts(batch)}`;
}

const describeDuplicates = ({ duplicates }: BatchReply) =>
  duplicates > 0 ? `, ${formatCount(duplicates)} given more than once` : "";

function describeLength({ started_at, finished_at, generation }: BatchReply): string {
  if (started_at === null || finished_at === null || generation > 0) return "";
  return `, after ${formatDuration(Date.parse(finished_at) - Date.parse(started_at))}`;
}

/** Describes how long a dry run would take in earnest. */
export function describeEstimate({
  chunks,
  requests,
  duration_ms,
  earliest_start,
  limited_by,
}: NonNullable<BatchReply["estimate"]>): string {
  const parts = [formatItems(chunks, "chunk")];
  if (requests > 0) parts.push(formatItems(requests, "request"));
  if (duration_ms !== null) parts.push(`about ${formatDuration(duration_ms)}`);
  if (limited_by !== null) parts.push(`limited by ${limited_by.replaceAll("_", " ")}`);
  const isLater = Date.parse(earliest_start) > Date.now() + 1000;
  parts.push(isLater ? `from ${formatTime(earliest_start)}` : "starts at once");
  return parts.join(", ");
}

function renderCounts(batch: BatchReply): string {
  const failures = batch.failures ?? [];
  const rows = outcomes.flatMap((outcome) => [
    [outcome, formatCount(batch[outcome]), "", ""],
    ...failures
      .filter((failure) => failure.outcome === outcome)
      .map(({ code, count, message }) => ["", formatCount(count), code, message ?? ""]),
  ]);
  const waiting = batch.total - batch.processed;
  if (waiting > 0) rows.push(["waiting", formatCount(waiting), "", ""]);
  return renderTable(["OUTCOME", "COUNT", "CODE", "MESSAGE"], rows);
}

/** Renders the history of a batch, oldest first. */
export function describeEvents(events: Readonly<HistoryReply["events"]>): string {
  const rows = events.map(({ at, verb, actor, actor_name, note, code }) => [
    formatTime(at),
    verb.replaceAll("_", " ") + (code ? ` (${code})` : ""),
    actor_name || actor || "-",
    note ?? "",
  ]);
  return renderTable(["TIME", "EVENT", "BY", "NOTE"], rows);
}

/** Renders items with their outcomes, one per line and with tabs between the cells, so that other programs can read them. */
export function renderItems(items: ItemsReply["items"]): string {
  return items
    .map(({ item, outcome, code, message }) =>
      [typeof item === "object" ? JSON.stringify(item) : String(item), outcome ?? "waiting", code ?? "", message ?? ""]
        .join("\t")
        .trimEnd(),
    )
    .join("\n");
}
