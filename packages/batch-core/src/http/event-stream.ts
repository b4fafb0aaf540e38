import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import type { Clock } from "../clock.ts";

/** Keep-alive interval in milliseconds, short enough for proxies. */
const heartbeatMs = 15_000;

/** Options of a stream of events. */
export interface EventStreamOptions {
  clock: Clock;
  /** Aborted when the server stops. */
  closing?: AbortSignal | undefined;
  /** Sends events until the signal is aborted, because the client has gone or the server stops. */
  send(stream: SSEStreamingApi, signal: AbortSignal): Promise<void>;
  /** Called if `send` rejects. The client then reconnects. */
  onFault(error: unknown, signal: AbortSignal): void;
  /** Called once at the end, whatever ended the stream. */
  onEnd?(): void;
}

/**
 * Answers with server-sent events, and a comment in every pause so that no proxy closes the connection.
 *
 * @example streamEvents(c, { clock, send: (stream) => stream.writeSSE({ data: "1" }), onFault: (error) => log.error({ error }, "…") })
 */
export function streamEvents(c: Context, { clock, closing, send, onFault, onEnd }: EventStreamOptions): Response {
  const over = new AbortController();
  const end = () => over.abort();
  const response = streamSSE(c, async (stream) => {
    stream.onAbort(end);
    closing?.addEventListener("abort", end);
    if (closing?.aborted) end();
    const beat = sendHeartbeats(stream);
    try {
      await send(stream, over.signal);
    } catch (error) {
      onFault(error, over.signal);
    } finally {
      onEnd?.();
      closing?.removeEventListener("abort", end);
      over.abort();
      await beat;
    }
  });
  // The connection decides how the body ends, because HTTP/1.0 has no chunks.
  response.headers.delete("transfer-encoding");
  response.headers.delete("connection");
  return response;

  async function sendHeartbeats(stream: SSEStreamingApi): Promise<void> {
    for (;;) {
      await clock.sleep(heartbeatMs, over.signal);
      if (over.signal.aborted) return;
      await stream.write(": still here\n\n");
    }
  }
}
