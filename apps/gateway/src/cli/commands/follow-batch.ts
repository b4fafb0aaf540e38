import { createDisplay } from "../progress/display.ts";
import { printEvent, readCounts } from "../progress/events.ts";
import { describeProgress, describeWait, fitProgress, type Shown } from "../progress/progress-line.ts";
import { createRate } from "../progress/rate.ts";
import type { BatchReply, ItemsReply } from "../service/replies.ts";
import { ProblemError, type Service } from "../service/service.ts";
import { watchBatch } from "../service/watch.ts";
import { exitStatus } from "../terminal/exit-statuses.ts";
import { type CommandFailure, unreachable } from "../terminal/failure.ts";
import { formatItems } from "../terminal/numbers.ts";
import { writeError } from "../terminal/output.ts";
import { finishBatch } from "./finish-batch.ts";
import type { Interrupt } from "./interrupt.ts";
import { toCommand, toExitStatus } from "./next-command.ts";

export interface FollowOptions {
  json?: boolean | undefined;
  report?: string | false | undefined;
  interrupt: Interrupt;
  /** Only watches, also in this process. */
  watchOnly?: boolean;
}

/** Milliseconds for which the chunks in progress may finish after an interrupt. */
const stopMs = 4_700;
/** Longest time in milliseconds without an event. */
const heartbeatMs = 5_000;

/** Runs a batch that is open, shows its progress, and reports its end. Sets the exit status. */
export async function followBatch(service: Service, batch: BatchReply, options: FollowOptions): Promise<void> {
  const { interrupt, watchOnly = false } = options;
  const { id } = batch;
  const startedAt = Date.now();
  const isWorking = service.server === undefined && !watchOnly;
  const resume = toCommand(isWorking ? "resume" : "watch", id, service.server);
  interrupt.setNotice(`Ended at once. ${resume} continues batch ${id}`);
  const running = isWorking ? await service.run(id) : { stop: async () => {} };
  let refusal: string | undefined;
  try {
    refusal = await showProgress(service, batch, options);
    if (refusal !== undefined) await stopBatch(service, id);
    else if (interrupt.signal.aborted) {
      if (!isWorking) return leaveBatch(id, resume, service);
      writeError(`Stopping batch ${id}: the chunk in progress is finished first; Ctrl-C again ends at once`);
      endInTime(id, service);
      await stopBatch(service, id);
    }
  } finally {
    await running.stop();
  }
  const ended = await service.get<BatchReply>(`/v1/batches/${id}`);
  const status = refusal === undefined ? toExitStatus(ended) : exitStatus.unreachable;
  await finishBatch(service, ended, { ...options, status, durationMs: Date.now() - startedAt });
  if (refusal !== undefined) throw refusedByVendor(ended, refusal);
}

/** Shows the progress until the end, the interrupt, or the vendor's refusal of every item, whose message is returned. */
async function showProgress(
  service: Service,
  batch: BatchReply,
  { json = false, interrupt }: FollowOptions,
): Promise<string | undefined> {
  const display = createDisplay({ isQuiet: json });
  const measureRate = createRate();
  let shown: Shown = { batch, rate: measureRate(batch.processed, Date.now()) };
  const show = () => display.show((columns) => render(shown, columns));
  const beat = setInterval(() => json && printProgress(shown), heartbeatMs);
  show();
  try {
    for await (const { progress, lost } of watchBatch(service, batch.id, interrupt.signal)) {
      if (progress) shown = { batch: progress, rate: measureRate(progress.processed, Date.now()) };
      else shown = { ...shown, lost };
      show();
      if (!progress) continue;
      if (json) printProgress(shown);
      const refusal = await findRefusal(service, progress);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  } finally {
    clearInterval(beat);
    display.end();
  }
}

/** A plain line has no limit; a line on a terminal is never wider than it. */
function render(shown: Shown, columns: number): string {
  const now = Date.now();
  return columns === 0 && !process.stderr.isTTY ? describeProgress(shown, now) : fitProgress(shown, now, columns);
}

/** Codes of a vendor that refuses the key or the account, and not an item. */
const refusals = ["401", "402", "403"];

/** Returns the message of a vendor that has refused every item so far, because it refuses the key; undefined otherwise. */
async function findRefusal(service: Service, batch: BatchReply): Promise<string | undefined> {
  const { id, target, status, processed, failed, total } = batch;
  if (target !== "upstream" || status !== "in_progress" || failed === 0 || failed < processed || failed === total) {
    return undefined;
  }
  const { items } = await service.get<ItemsReply>(`/v1/batches/${id}/items?outcome=failed&limit=1`);
  const [first] = items;
  return refusals.includes(first?.code ?? "") ? `${first?.code}: ${first?.message}` : undefined;
}

function refusedByVendor({ id, operation, failed }: BatchReply, message: string): CommandFailure {
  const vendor = operation.split(".")[0] ?? "";
  return unreachable(
    `${vendor} refuses the key: batch ${id} is stopped after ${formatItems(failed)}`,
    message,
    `correct the key in REINSTATE_${vendor.toUpperCase()}_UPSTREAM_KEY, then resume the batch and retry its failed items`,
  );
}

function printProgress({ batch, rate }: Shown): void {
  const { waiting_for, next_allowed_at, total, processed } = batch;
  if (waiting_for !== null && describeWait(batch, Date.now()) !== undefined) {
    printEvent({ event: "waiting", ...readCounts(batch), waiting_for, until: next_allowed_at });
    return;
  }
  const end = rate > 0 ? new Date(Date.now() + ((total - processed) / rate) * 1000).toISOString() : null;
  printEvent({ event: "progress", ...readCounts(batch), rate: Math.round(rate * 10) / 10, estimated_end: end });
}

/** Ends the process if the chunks in progress do not end in time. */
function endInTime(id: number, { server }: Service): void {
  setTimeout(() => {
    writeError(`Batch ${id} is stopped, and its chunk in progress did not end in time`);
    writeError(`Next  ${toCommand("resume", id, server)}`);
    process.exit(exitStatus.interrupted);
  }, stopMs).unref();
}

async function stopBatch(service: Service, id: number): Promise<void> {
  try {
    await service.post(`/v1/batches/${id}/stop`);
  } catch (error) {
    // It has ended meanwhile.
    if (!(error instanceof ProblemError) || error.problem.status !== 409) throw error;
  }
}

/** Ends the watch of a batch that another process runs. */
function leaveBatch(id: number, watch: string, { server }: Service): void {
  writeError(`Watching has ended; batch ${id} continues${server === undefined ? "" : ` at ${server}`}`);
  writeError(`Next  ${watch}, or ${toCommand("stop", id, server)}`);
  process.exitCode = exitStatus.interrupted;
}
