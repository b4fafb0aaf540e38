import { createParser } from "eventsource-parser";
import { CommandFailure, unreachable } from "../terminal/failure.ts";
import type { BatchReply, ProgressReply } from "./replies.ts";
import { ProblemError, type Service } from "./service.ts";

/** A state of a watched batch, or the loss of the connection to its server. */
export type Seen = { progress: ProgressReply; lost?: undefined } | { progress?: undefined; lost: string };

/** Milliseconds without contact after which a watch ends. */
const givenUpMs = 10 * 60_000;
/** Pause before the next connection, and between two reads without an event stream. */
const pauseMs = 2_000;

const isFinished = ({ status }: BatchReply) => ["completed", "failed", "stopped"].includes(status);

/** Yields the states of a batch until its end. A lost connection is opened again. Ends early, without an error, on abort. */
export async function* watchBatch(
  service: Service,
  id: number,
  signal: AbortSignal,
): AsyncGenerator<Seen, void, undefined> {
  const path = `/v1/batches/${id}`;
  let lostAt: number | undefined;
  while (!signal.aborted) {
    try {
      const response = await service.open(`${path}/events`, { signal });
      if (response.headers.get("content-type")?.startsWith("text/event-stream") && response.body) {
        for await (const { event, data } of readEvents(response.body, signal)) {
          lostAt = undefined;
          const progress = JSON.parse(data) as ProgressReply;
          yield { progress };
          if (event === "end") return;
        }
        // The server stops, or a proxy ended the stream.
      }
      if (signal.aborted) return;
      const batch = await service.get<BatchReply>(path);
      lostAt = undefined;
      yield { progress: { ...batch, rate: 0, estimated_end: null } };
      if (isFinished(batch)) return;
    } catch (error) {
      if (signal.aborted) return;
      if (isLasting(error)) throw error;
      lostAt ??= Date.now();
      const why = error instanceof CommandFailure ? (error.failure.why ?? "") : "the stream broke off";
      if (Date.now() - lostAt > givenUpMs) {
        const fix = `reinstate batches watch ${id} follows it again; the batch continues at the server`;
        throw unreachable(`The connection to ${service.server} is lost`, why, fix);
      }
      yield { lost: why };
    }
    await pause(signal);
  }
}

/** Reports whether a repeated call would have the same answer. */
const isLasting = (error: unknown) =>
  error instanceof ProblemError && error.problem.status < 500 && error.problem.status !== 429;

async function* readEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<{ event?: string; data: string }> {
  let events: { event?: string; data: string }[] = [];
  const parser = createParser({
    onEvent: ({ event, data }) => events.push({ ...(event !== undefined && { event }), data }),
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  // A stream of this process does not end with the signal of its request.
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  // It may have been aborted before, and the event does not come twice.
  if (signal.aborted) cancel();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      const ready = events;
      events = [];
      yield* ready;
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, pauseMs);
    signal.addEventListener("abort", finish);
    if (signal.aborted) finish();
  });
}
