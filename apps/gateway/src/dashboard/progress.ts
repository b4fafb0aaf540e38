import { type Batch, countFinished, isFinished, outcomeWords } from "@reinstate/batch-core";
import { formatCount, formatDuration, formatPercent, formatRate, formatTime, waitTexts } from "./format.ts";
import { measureBar } from "./pages/components.ts";

/** The texts of a batch that change while it runs, by field. */
export interface ProgressTexts {
  done: string;
  skipped: string;
  failed: string;
  unknown: string;
  /** Items without an outcome. */
  waiting: string;
  percent: string;
  rate: string;
  end: string;
  /** Why the batch waits, and until when; empty if it does not wait. */
  wait: string;
}

/** Describes how far a batch is. `rate`: finished items per second, if it was measured. */
export function describeProgress(batch: Batch, now: number, measured?: { rate: number }): ProgressTexts {
  const finished = countFinished(batch.counts);
  const left = batch.total - finished;
  const rate = measured?.rate || computeAverage(batch, finished, now);
  const isOver = isFinished(batch.status);
  return {
    done: formatCount(batch.counts.done),
    skipped: formatCount(batch.counts.skipped),
    failed: formatCount(batch.counts.failed),
    unknown: formatCount(batch.counts.unknown),
    waiting: formatCount(left),
    percent: formatPercent(finished, batch.total),
    rate: formatRate(rate),
    end: isOver || rate <= 0 || left === 0 ? "–" : `in ${formatDuration((left * 1000) / rate)}`,
    wait: describeWait(batch, now),
  };
}

/** The average over the run: from its start to its end, or to now. */
function computeAverage({ startedAt, finishedAt }: Batch, finished: number, now: number): number {
  if (startedAt === null) return 0;
  return (finished * 1000) / Math.max(1, (finishedAt ?? now) - startedAt);
}

function describeWait({ waitingFor, nextAllowedAt }: Batch, now: number): string {
  if (waitingFor === null) return "";
  const until =
    nextAllowedAt === null || nextAllowedAt <= now
      ? ""
      : `; it continues at ${formatTime(nextAllowedAt)} UTC, in ${formatDuration(nextAllowedAt - now)}`;
  return `${waitTexts[waitingFor]}${until}`;
}

/** One message to a page: the state in which it must be loaded again if it shows another one, texts by field, and bars. */
export interface LiveUpdate {
  state: string;
  text: Record<string, string>;
  bar: Record<string, { x: number; width: number }>;
  /** The text that a screen reader announces. */
  announce: string;
}

/** A batch page is loaded again when this changes, because its buttons and sections do. Operators mark unknown items after the end. */
export const toPageState = ({ status, generation, counts }: Batch): string =>
  isFinished(status) ? `${status} ${generation} ${counts.unknown}` : `${status} ${generation}`;

/** Returns the changes for the page of a batch. `prefix`: of the names of its fields. */
export function toLiveUpdate(batch: Batch, now: number, measured?: { rate: number }, prefix = ""): LiveUpdate {
  const texts = describeProgress(batch, now, measured);
  const bar = measureBar(batch.counts, batch.total);
  return {
    state: toPageState(batch),
    text: Object.fromEntries(Object.entries(texts).map(([name, text]) => [`${prefix}${name}`, text])),
    bar: Object.fromEntries(outcomeWords.map((word) => [`${prefix}${word}`, bar[word]])),
    announce: `${texts.percent} finished, ${texts.failed} failed, ${texts.unknown} unknown`,
  };
}
