import { createDisplay } from "../progress/display.ts";
import { printEvent, readCounts } from "../progress/events.ts";
import { describeProgress, describeWait, fitProgress, type Shown } from "../progress/progress-line.ts";
import { createRate } from "../progress/rate.ts";
import type { BatchReply } from "../service/replies.ts";
import { ProblemError, type Service } from "../service/service.ts";
import { watchBatch } from "../service/watch.ts";
import { exitStatus } from "../terminal/exit-statuses.ts";
import { writeError } from "../terminal/output.ts";
import { finishBatch } from "./finish-batch.ts";
import type { Interrupt } from "./interrupt.ts";
import { toCommand } from "./next-command.ts";

export interface FollowOptions {
  json?: boolean | undefined;
  report?: string | false | undefined;
  interrupt: Interrupt;
  /** Only watches, also in this process. */
  watchOnly?: boolean;
}

/** Milliseconds for which the chunks in progress may finish after an interrupt. */
const stopMs = 4_700;

/** Runs a batch that is open, shows its progress, and reports its end. Sets the exit status. */
export async function followBatch(service: Service, batch: BatchReply, options: FollowOptions): Promise<void> {
  const { interrupt, watchOnly = false } = options;
  const startedAt = Date.now();
  const isWorking = service.server === undefined && !watchOnly;
  const resume = toCommand(isWorking ? "resume" : "watch", batch.id, service.server);
  interrupt.setNotice(`Ended at once. ${resume} goes on with batch ${batch.id}`);
  const running = isWorking ? await service.run(batch.id) : { stop: async () => {} };
  let isStopped = false;
  try {
    await showProgress(service, batch, options);
    if (interrupt.signal.aborted) {
      if (!isWorking) return leaveBatch(batch.id, resume, service);
      isStopped = await stopBatch(service, batch.id, running);
    }
  } finally {
    if (!isStopped) await running.stop();
  }
  const ended = await service.get<BatchReply>(`/v1/batches/${batch.id}`);
  await finishBatch(service, ended, { ...options, durationMs: Date.now() - startedAt });
}

async function showProgress(
  service: Service,
  batch: BatchReply,
  { json = false, interrupt }: FollowOptions,
): Promise<void> {
  const display = createDisplay({ isQuiet: json });
  const measureRate = createRate();
  let shown: Shown = { batch, rate: measureRate(batch.processed, Date.now()) };
  const show = () =>
    display.show((columns) => {
      const now = Date.now();
      return columns === 0 && !process.stderr.isTTY ? describeProgress(shown, now) : fitProgress(shown, now, columns);
    });
  show();
  try {
    for await (const { progress, lost } of watchBatch(service, batch.id, interrupt.signal)) {
      if (progress) shown = { batch: progress, rate: measureRate(progress.processed, Date.now()) };
      else shown = { ...shown, lost };
      show();
      if (json && progress) printProgress(shown, progress.estimated_end);
    }
  } finally {
    display.end();
  }
}

function printProgress({ batch, rate }: Shown, estimated_end: string | null): void {
  const { waiting_for, next_allowed_at } = batch;
  const isWaiting = describeWait(batch, Date.now()) !== undefined && waiting_for !== null;
  if (isWaiting) printEvent({ event: "waiting", ...readCounts(batch), waiting_for, until: next_allowed_at });
  else printEvent({ event: "progress", ...readCounts(batch), rate: Math.round(rate * 10) / 10, estimated_end });
}

/** Stops a batch of this process, and waits for its chunks in progress. Returns true, because the work has ended. */
async function stopBatch(service: Service, id: number, running: { stop(): Promise<void> }): Promise<true> {
  writeError(`Stopping batch ${id}: the chunk in progress is finished first; Ctrl-C again ends at once`);
  const late = setTimeout(() => {
    writeError(`Batch ${id} is stopped, and its chunk in progress did not end in time`);
    writeError(`Next  ${toCommand("resume", id, service.server)}`);
    process.exit(exitStatus.interrupted);
  }, stopMs);
  try {
    await service.post(`/v1/batches/${id}/stop`);
  } catch (error) {
    // It has ended meanwhile.
    if (!(error instanceof ProblemError) || error.problem.status !== 409) throw error;
  }
  await running.stop();
  clearTimeout(late);
  return true;
}

/** Ends the watching of a batch that goes on elsewhere. */
function leaveBatch(id: number, watch: string, { server }: Service): void {
  writeError(`Watching has ended; batch ${id} goes on${server === undefined ? "" : ` at ${server}`}`);
  writeError(`Next  ${watch}, or ${toCommand("stop", id, server)}`);
  process.exitCode = exitStatus.interrupted;
}
