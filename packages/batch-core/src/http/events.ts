import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { messageOf } from "../errors.ts";
import type { Host } from "../host.ts";
import type { Progress } from "../watch.ts";
import { batchBody, timeOf } from "./batch-body.ts";

/** Silence that no proxy takes for a dead connection, in milliseconds. */
const heartbeatMs = 15_000;

/** How a batch gets on, as server-sent events: `progress` now and at every change, `end` with its last state. */
export async function eventsResponse(c: Context, host: Host, id: number, closing?: AbortSignal): Promise<Response> {
  await host.batches.get(id);
  const over = new AbortController();
  const end = () => over.abort();
  return streamSSE(c, async (stream) => {
    stream.onAbort(end);
    closing?.addEventListener("abort", end);
    const beat = heartbeat();
    try {
      let last: string | undefined;
      for await (const progress of host.batches.watch(id, { signal: over.signal })) {
        last = JSON.stringify(eventBody(progress));
        await stream.writeSSE({ event: "progress", data: last });
      }
      if (last !== undefined && !over.signal.aborted) await stream.writeSSE({ event: "end", data: last });
    } catch (error) {
      // The client sees a stream without an end, and asks again.
      host.log.error({ batch: id, error: messageOf(error) }, "a batch could not be watched");
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

  function eventBody({ batch, rate, remainingMs }: Progress) {
    const end = remainingMs === undefined ? null : host.clock.now() + remainingMs;
    return { ...batchBody(batch), rate, estimated_end: timeOf(end) };
  }
}
