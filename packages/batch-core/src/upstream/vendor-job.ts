import type { Clock } from "../clock.ts";
import type { ItemKey, Work } from "../operation/operation.ts";

const firstPollMs = 1_000;
const longestPollMs = 10_000;
/** Time-out for a job in milliseconds. The next attempt at the chunk looks for the job again. */
const patienceMs = 30 * 60_000;

/** How the jobs of a vendor are read: a call starts one, and goes on in the background. */
export interface VendorJobs<Id extends ItemKey, Params, Job> {
  id(job: Job): number | string;
  isOver(job: Job): boolean;
  read(id: string, work: Work<Id, Params>): Promise<Job>;
  /** Finds the unfinished jobs that a call with at most these items, whose reply was lost, may have started. */
  findUnfinished(ids: readonly Id[], work: Work<Id, Params>): Promise<string[]>;
  /** Aborted when the process stops. The worker that takes the chunk over continues the wait. */
  closing: AbortSignal;
}

/** Polls a job until it has ended, and returns it. */
export async function followJob<Id extends ItemKey, Params, Job>(
  jobs: VendorJobs<Id, Params, Job>,
  job: Job,
  work: Work<Id, Params>,
  clock: Clock,
): Promise<Job> {
  const signal = AbortSignal.any([work.signal, jobs.closing]);
  const deadline = clock.now() + patienceMs;
  let pauseMs = firstPollMs;
  for (let last = job; ; last = await jobs.read(String(jobs.id(job)), { ...work, signal })) {
    if (jobs.isOver(last)) return last;
    if (clock.now() > deadline) throw new Error(`The vendor's job ${jobs.id(job)} has not ended`);
    await clock.sleep(pauseMs, signal);
    signal.throwIfAborted();
    pauseMs = Math.min(longestPollMs, pauseMs * 2);
  }
}
