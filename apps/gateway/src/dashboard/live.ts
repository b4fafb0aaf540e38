import { type Batch, type Host, toMessage } from "@reinstate/batch-core";
import { readRequestId, streamEvents } from "@reinstate/batch-core/http";
import { type LiveUpdate, toLiveUpdate, toPageState } from "./progress.ts";
import type { LiveReads } from "./shared-reads.ts";
import { type PageContext, readSession, type Site } from "./site.ts";

/** Delay before a browser reconnects. */
const reconnectMs = 1000;
/**
 * Streams of one session that stay open. A browser has six connections to a host, so the pages beyond these get one message in each
 * stream and open it again later.
 */
const maxStreams = 4;
const laterMs = 3000;

/** Streams changes to a page until it is closed or the process stops. */
export function streamUpdates(
  { host, closing, streams }: Pick<Site, "host" | "closing" | "streams">,
  c: PageContext,
  changes: (signal: AbortSignal) => AsyncIterable<LiveUpdate>,
): Response {
  const session = readSession(c).id;
  const isShort = streams.add(session) >= maxStreams;
  return streamEvents(c, {
    clock: host.clock,
    closing,
    async send(stream, signal) {
      let sent = "";
      await stream.write(`retry: ${isShort ? laterMs : reconnectMs}\n\n`);
      for await (const update of changes(signal)) {
        const data = JSON.stringify(update);
        if (data !== sent) await stream.writeSSE({ data });
        sent = data;
        if (isShort) break;
      }
    },
    // The browser reconnects.
    onFault(error, { aborted }) {
      if (!aborted)
        host.log.error({ request_id: readRequestId(c.req.raw), error: toMessage(error) }, "failed to watch for a page");
    },
    onEnd: () => streams.remove(session),
  });
}

/** Yields the changes of one batch, also after its end, because a retry or a resume may continue it. */
export async function* watchForPage(
  host: Pick<Host, "batches" | "clock">,
  readLive: LiveReads,
  id: number,
  signal: AbortSignal,
): AsyncGenerator<LiveUpdate> {
  const { batches, clock } = host;
  while (!signal.aborted) {
    let last: Batch | undefined;
    for await (const { batch, rate } of batches.watch(id, { signal })) {
      last = batch;
      yield toLiveUpdate(batch, clock.now(), { rate });
    }
    const state = last && toPageState(last);
    while (!signal.aborted) {
      const batch = await readLive(`batch ${id}`, () => batches.get(id));
      if (toPageState(batch) !== state) break;
    }
  }
}

/** Yields the changes of a list of batches. `readNext`: reads the list again, some time after the call. */
export async function* watchList(
  { clock }: Pick<Host, "clock">,
  readNext: () => Promise<readonly Batch[]>,
  signal: AbortSignal,
): AsyncGenerator<LiveUpdate> {
  while (!signal.aborted) {
    const batches = await readNext();
    const updates = batches.map((batch) => toLiveUpdate(batch, clock.now(), undefined, `${batch.id}.`));
    yield {
      state: toListState(batches),
      text: Object.assign({}, ...updates.map(({ text }) => text)) as LiveUpdate["text"],
      bar: Object.assign({}, ...updates.map(({ bar }) => bar)) as LiveUpdate["bar"],
      announce: "",
    };
  }
}

/** The list is loaded again when this changes. */
export const toListState = (batches: readonly Batch[]): string =>
  batches.map((batch) => `${batch.id} ${toPageState(batch)}`).join(", ");
