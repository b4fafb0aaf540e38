import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { type Batch, countFinished, isFinished } from "../batch/batch.ts";
import { toMessage } from "../errors/errors.ts";
import type { Host } from "../host.ts";
import type { Progress } from "../results/progress.ts";
import { batchBody, toTimestamp } from "./representations.ts";

/** Keep-alive interval in milliseconds, short enough for proxies. */
const heartbeatMs = 15_000;

/** Delay before a client reconnects, in milliseconds. */
const retryMs = 3000;

/**
 * Streams the progress of a batch as server-sent events: `progress` now and at every change, `end` with its last state. The id of
 * an event names the state that it shows; a client that comes back with the id of the end gets 204, which ends its reconnecting.
 */
export async function eventsResponse(c: Context, host: Host, id: number, closing?: AbortSignal): Promise<Response> {
  const batch = await host.batches.get(id);
  if (isFinished(batch.status) && c.req.header("last-event-id") === endId(batch)) return c.body(null, 204);
  const over = new AbortController();
  const end = () => over.abort();
  const response = streamSSE(c, async (stream) => {
    stream.onAbort(end);
    closing?.addEventListener("abort", end);
    const beat = heartbeat();
    try {
      let last: Progress | undefined;
      for await (const progress of host.batches.watch(id, { signal: over.signal })) {
        await stream.writeSSE({
          event: "progress",
          data: JSON.stringify(eventBody(progress)),
          id: stateId(progress.batch),
          ...(last === undefined && { retry: retryMs }),
        });
        last = progress;
      }
      if (last !== undefined && !over.signal.aborted) {
        await stream.writeSSE({ event: "end", data: JSON.stringify(eventBody(last)), id: endId(last.batch) });
      }
    } catch (error) {
      // Without the `end` event, the client reconnects.
      host.log.error({ batch: id, error: toMessage(error) }, "failed to watch batch");
    } finally {
      closing?.removeEventListener("abort", end);
      over.abort();
      await beat;
    }

    async function heartbeat(): Promise<void> {
      for (;;) {
        await host.clock.sleep(heartbeatMs, over.signal);
        if (over.signal.aborted) return;
        await stream.write(": still here\n\n");
      }
    }
  });
  // The connection decides how the body ends, because HTTP/1.0 has no chunks.
  response.headers.delete("transfer-encoding");
  response.headers.delete("connection");
  return response;

  function eventBody({ batch, rate, remainingMs }: Progress) {
    const end = remainingMs === undefined ? null : host.clock.now() + remainingMs;
    return { ...batchBody(batch), rate, estimated_end: toTimestamp(end) };
  }
}

const stateId = ({ generation, status, counts }: Batch) => `${generation}-${status}-${countFinished(counts)}`;

const endId = (batch: Batch) => `${stateId(batch)}-end`;
