import { printEvent, readCounts } from "../progress/events.ts";
import type { BatchReply } from "../service/replies.ts";
import type { Service } from "../service/service.ts";
import type { ExitStatus } from "../terminal/exit-statuses.ts";
import { formatCount, formatDuration, formatItems } from "../terminal/numbers.ts";
import { outcomes } from "../terminal/outcomes.ts";
import { writeError } from "../terminal/output.ts";
import { paint } from "../terminal/paint.ts";
import { renderTable } from "../terminal/table.ts";
import { describeEstimate } from "./describe-batch.ts";
import { findNextCommand, toCommand } from "./next-command.ts";
import { findReportPath, writeReportFile } from "./report-file.ts";

export interface FinishOptions {
  json?: boolean | undefined;
  /** A path; false for none; undefined for the default path. */
  report?: string | false | undefined;
  durationMs: number;
  status: ExitStatus;
}

/** Most codes of failures that the end names; `batches show` has them all. */
const codesShown = 10;

/** Reports the end of a batch: its failures by code, the report, the verdict, and the next command. Sets the exit status. */
export async function finishBatch(
  service: Service,
  batch: BatchReply,
  { json = false, report, durationMs, status }: FinishOptions,
): Promise<void> {
  const file = report === false ? undefined : await tryReport(service, batch.id, report);
  const next = findNextCommand(batch, service.server);
  const failures = batch.failures ?? [];
  process.exitCode = status;
  if (failures.length > 0) writeError(renderFailures(failures));
  if (batch.error !== null) writeError(`The batch ended early: ${batch.error}`);
  if (batch.dry_run && batch.estimate) writeError(`For real: ${describeEstimate(batch.estimate)}`);
  writeError(describeEnd(batch, { durationMs, file, next }));
  if (!json) return;
  printEvent({
    event: "finished",
    ...readCounts(batch),
    duration_ms: durationMs,
    failures: failures.map(({ outcome, code, count }) => ({ outcome, code, count })),
    estimate: batch.estimate ?? null,
    report: file ?? null,
    next: next ?? null,
    exit_status: status,
  });
}

/** Writes the report. A report that cannot be written does not change the verdict about the batch. */
async function tryReport(service: Service, id: number, report: string | undefined): Promise<string | undefined> {
  const file = report ?? (await findReportPath(id));
  try {
    await writeReportFile(service, id, file);
    return file;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    writeError(
      `The report ${file} cannot be written (${reason}); ${toCommand("report", id, service.server)} --output FILE`,
    );
    return undefined;
  }
}

function renderFailures(failures: NonNullable<BatchReply["failures"]>): string {
  const rows = failures
    .slice(0, codesShown)
    .map(({ outcome, code, count, message }) => [`  ${outcome}`, formatCount(count), code, cut(message ?? "")]);
  const more = failures.length - codesShown;
  return renderTable([], rows) + (more > 0 ? `\n  and ${formatItems(more, "more code")}` : "");
}

const cut = (text: string) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

/** Returns the last line of a run: counts that add up to the total, time, report, and the next command. */
export function describeEnd(
  batch: BatchReply,
  { durationMs, file, next }: { durationMs: number; file: string | undefined; next: string | undefined },
): string {
  const { id, status, total, processed, dry_run } = batch;
  const counts = outcomes
    .filter((outcome) => outcome === "done" || batch[outcome] > 0)
    .map((outcome) => `${formatCount(batch[outcome])} ${outcome}`);
  if (processed < total) counts.push(`${formatCount(total - processed)} waiting`);
  const word = dry_run && status === "completed" ? "dry run" : status;
  const style =
    status === "stopped" ? "warn" : batch.failed + batch.unknown > 0 || status === "failed" ? "error" : "good";
  const parts = [
    `${paint(style, `Batch ${id} ${word}`)}: ${counts.join(", ")} of ${formatItems(total)} in ${formatDuration(durationMs)}`,
  ];
  if (file !== undefined) parts.push(`report ${file}`);
  if (next !== undefined) parts.push(`next: ${next}`);
  return parts.join("; ");
}
