import type { Batch, Host } from "@reinstate/batch-core";
import { createTestClock } from "@reinstate/batch-core/testing";
import { describe, expect, test } from "vitest";
import { watchForPage, watchList } from "./live.ts";
import type { LiveUpdate } from "./progress.ts";
import { createLiveReads } from "./shared-reads.ts";

const makeBatch = (generation: number, unknown = 0) =>
  ({
    id: 1,
    status: "completed",
    generation,
    total: 10,
    counts: { done: 10 - unknown, skipped: 0, failed: 0, unknown },
    startedAt: 0,
    finishedAt: 1,
    waitingFor: null,
    nextAllowedAt: null,
  }) as unknown as Batch;

const stepMs = 50;

/** Lets everything that waits for no clock happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

/** A ledger with one ended batch, whose `change` is seen by watchers that begin at different times. */
function openLedger() {
  const clock = createTestClock();
  const closing = new AbortController();
  const ledger = { batch: makeBatch(0), changedAt: 0, reads: 0 };
  const read = async () => {
    ledger.reads++;
    return ledger.batch;
  };
  const host = {
    clock,
    batches: {
      get: read,
      async *watch() {
        yield { batch: ledger.batch, rate: 0, remainingMs: undefined };
      },
    },
  } as unknown as Host;
  const readLive = createLiveReads(clock, closing.signal);
  const streams = {
    page: () => watchForPage(host, readLive, 1, closing.signal),
    list: () => watchList(host, async () => [await readLive("list", read)], closing.signal),
  };
  const delays: number[] = [];

  async function follow(updates: AsyncIterable<LiveUpdate>): Promise<void> {
    let state: string | undefined;
    for await (const update of updates) {
      if (state !== undefined && update.state !== state) delays.push(clock.now() - ledger.changedAt);
      state = update.state;
    }
  }
  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(stepMs);
      await settle();
    }
  }
  function change(batch: Batch): void {
    ledger.batch = batch;
    ledger.changedAt = clock.now();
  }
  return { ledger, streams, delays, follow, pass, change, close: () => closing.abort() };
}

describe.each(["page", "list"] as const)("the stream of a %s", (kind) => {
  test("shows every change within a second, at two reads a second", async () => {
    const { ledger, streams, delays, follow, pass, change, close } = openLedger();
    const watchers = [];
    for (const startsAfter of [0, 350, 200, 800]) {
      await pass(startsAfter);
      watchers.push(follow(streams[kind]()));
    }
    await pass(1000);
    const changes = 30;
    ledger.reads = 0;
    // At every place between two reads.
    const periodMs = 1450;
    for (let generation = 1; generation <= changes; generation++) {
      change(makeBatch(generation));
      await pass(periodMs);
    }
    expect(delays).toHaveLength(4 * changes);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1000);
    expect(ledger.reads).toBeLessThanOrEqual((2 * changes * periodMs) / 1000);
    close();
    await Promise.all(watchers);
  });
});

test("the stream of an ended batch shows that an operator marked its unknown items", async () => {
  const { streams, delays, follow, pass, change, close } = openLedger();
  change(makeBatch(0, 3));
  const watcher = follow(streams.page());
  await pass(1000);
  change(makeBatch(0, 0));
  await pass(1000);
  expect(delays).toHaveLength(1);
  close();
  await watcher;
});
