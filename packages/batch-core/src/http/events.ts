import type { Context } from "hono";
import { readRequestId } from "../admission/request-id.ts";
import { type Batch, countFinished, isFinished } from "../batch/batch.ts";
import { toMessage } from "../errors/errors.ts";
import type { Host } from "../host.ts";
import type { Progress } from "../results/progress.ts";
import { streamEvents } from "./event-stream.ts";
import { batchBody, toTimestamp } from "./representations.ts";

/** Delay before a client reconnects, in milliseconds. */
const retryMs = 3000;

/**
 * Streams the progress of a batch as server-sent events: `progress` now and at every change, `end` with its last state. The id of
 * an event names the state that it shows; a client that comes back with the id of the end gets 204, which ends its reconnecting.
 */
export async function eventsResponse(c: Context, host: Host, id: number, closing?: AbortSignal): Promise<Response> {
  const batch = await host.batches.get(id);
  if (isFinished(batch.status) && c.req.header("last-event-id") === endId(batch)) return c.body(null, 204);
  return streamEvents(c, {
    clock: host.clock,
    closing,
    async send(stream, signal) {
      let last: Progress | undefined;
      for await (const progress of host.batches.watch(id, { signal })) {
        await stream.writeSSE({
          event: "progress",
          data: JSON.stringify(eventBody(progress)),
          id: stateId(progress.batch),
          ...(last === undefined && { retry: retryMs }),
        });
        last = progress;
      }
      if (last !== undefined && !signal.aborted) {
        await stream.writeSSE({ event: "end", data: JSON.stringify(eventBody(last)), id: endId(last.batch) });
      }
    },
    // Without the `end` event, the client reconnects.
    onFault: (error) =>
      host.log.error(
        { batch: id, request_id: readRequestId(c.req.raw), error: toMessage(error) },
        "failed to watch batch",
      ),
  });

  function eventBody({ batch, rate, remainingMs }: Progress) {
    const end = remainingMs === undefined ? null : host.clock.now() + remainingMs;
    return { ...batchBody(batch), rate, estimated_end: toTimestamp(end) };
  }
}

const stateId = ({ generation, status, counts }: Batch) => `${generation}-${status}-${countFinished(counts)}`;

const endId = (batch: Batch) => `${stateId(batch)}-end`;
