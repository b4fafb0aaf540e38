import assert from "node:assert/strict";
import * as z from "zod";
import { isFinished } from "../batch/batch.ts";
import { uniformChunkResult } from "../batch/chunk-result.ts";
import { openDatabase } from "../database/open-database.ts";
import type { EngineFactory } from "../engine/engine.ts";
import { ReinstateError } from "../errors/errors.ts";
import type { HostOptions } from "../host.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { createSqlLedger } from "../ledger/sql-ledger.ts";
import { type AnyOperation, defineOperation, type Operation, type Outcome, type Work } from "../operation/operation.ts";
import { createTestHost, type TestHost } from "./test-host.ts";
import { until } from "./until.ts";

/** An engine and an empty database for it. */
export interface EngineUnderTest {
  databaseUrl: string;
  engine: EngineFactory;
  /** Time-out for the end of a batch in milliseconds. Default 2 minutes. */
  patienceMs?: number;
}

type Item = number;
type Touched = Work<Item, unknown>;

const name = "test.rows.touch";

/** Creates an operation with one item per chunk that records its calls. Items are done unless `touch` returns another outcome. */
function recording(
  touch: (work: Touched) => Outcome | void | Promise<void> = () => {},
  change: Partial<Operation<Item, unknown>> = {},
) {
  const seen: (Pick<Touched, "batchId" | "generation" | "attempt"> & { item: Item; at: number })[] = [];
  const operation = defineOperation<Item, unknown>({
    name,
    label: "row/touch",
    item: z.int(),
    params: z.unknown(),
    key: (id) => id,
    chunkSize: 1,
    inlineLimit: 0,
    effects: "elsewhere",
    async apply(work) {
      const { batchId, generation, attempt } = work;
      const item = work.items[0] as Item;
      seen.push({ batchId, generation, attempt, item, at: Date.now() });
      return [(await touch(work)) ?? { key: item, outcome: "done" }];
    },
    ...change,
  });
  return { operation, seen, of: (batchId: number) => seen.filter((one) => one.batchId === batchId) };
}

/** Opens a host, which stands for a process. */
async function open(
  { databaseUrl, engine }: EngineUnderTest,
  operation: AnyOperation | undefined,
  options: Partial<HostOptions> = {},
): Promise<TestHost> {
  const host = await createTestHost({ databaseUrl, engine, ...options });
  if (operation) host.register(operation);
  return host;
}

const items = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

async function submit(host: TestHost, count: number): Promise<number> {
  return (await host.batches.submit({ operation: name, items: items(count) })).id;
}

/** Waits for the end of a batch and checks that each item was done by one attempt. */
async function ended({ patienceMs = 120_000 }: EngineUnderTest, host: TestHost, id: number) {
  return until(
    async () => {
      const batch = await host.batches.get(id);
      return isFinished(batch.status) && batch;
    },
    { timeoutMs: patienceMs },
  );
}

const counts = (done: number) => ({ done, skipped: 0, failed: 0, unknown: 0 });

function eachOnce(seen: { item: Item }[], count: number): void {
  assert.deepEqual(
    seen.map(({ item }) => item).sort((a, b) => a - b),
    items(count),
  );
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Opens the ledger directly, for actions that a host does not offer. */
async function withLedger(databaseUrl: string, work: (ledger: Ledger) => Promise<void>): Promise<void> {
  const database = openDatabase(databaseUrl);
  try {
    await work(await createSqlLedger(database));
  } finally {
    await database.close();
  }
}

/**
 * The guarantees of every engine, by name. Each check gets an empty database and throws if its guarantee is broken.
 */
export const engineContract: Record<string, (subject: EngineUnderTest) => Promise<void>> = {
  async "runs every chunk of a batch once"(subject) {
    const { operation, seen } = recording();
    await using host = await open(subject, operation);
    const id = await submit(host, 40);
    assert.deepEqual((await ended(subject, host, id)).counts, counts(40));
    eachOnce(seen, 40);
  },

  async "runs a batch whose accepting process is gone"(subject) {
    const { operation, seen } = recording();
    const gone = await open(subject, operation, { role: "web" });
    const id = await submit(gone, 5);
    await gone.close();
    await using host = await open(subject, operation);
    assert.equal((await ended(subject, host, id)).status, "completed");
    eachOnce(seen, 5);
  },

  async "finds a batch that was accepted without a notification"(subject) {
    const { operation, seen } = recording();
    await using host = await open(subject, operation);
    await using web = await open(subject, operation, { role: "web" });
    for (const _ of ["first", "second"]) assert.equal((await ended(subject, host, await submit(web, 3))).total, 3);
    assert.equal(seen.length, 6);
  },

  async "runs several batches in turns"(subject) {
    // All chunks are blocked while a batch is submitted, so that the result does not depend on the speed of the disk.
    let gate = Promise.withResolvers<void>();
    const { operation, seen, of } = recording(() => gate.promise);
    await using host = await open(subject, operation);
    await using web = await open(subject, operation, { role: "web" });
    const [one, two] = [await submit(web, 150), await submit(web, 150)];
    gate.resolve();
    await until(() => of(one).length > 5 && of(two).length > 5, { timeoutMs: subject.patienceMs ?? 120_000 });
    gate = Promise.withResolvers();
    const small = await submit(host, 3);
    gate.resolve();
    for (const id of [one, two, small]) await ended(subject, host, id);
    const last = (id: number) => seen.findLastIndex(({ batchId }) => batchId === id);
    assert.ok(last(small) < Math.min(last(one), last(two)), "the small batch waited for a large one");
    const [first, other] = last(one) < last(two) ? [one, two] : [two, one];
    const least = seen.slice(0, last(first)).filter(({ batchId }) => batchId === other).length;
    assert.ok(least > 75, `of two batches of 150 chunks one was done when the other was at ${least}`);
  },

  async "continues a batch stopped and resumed by another process"(subject) {
    const gate = Promise.withResolvers<void>();
    const { operation, seen } = recording(({ items: [item = 0] }) => (item > 20 ? gate.promise : undefined));
    await using host = await open(subject, operation);
    await using web = await open(subject, operation, { role: "web" });
    const id = await submit(web, 200);
    await until(() => seen.length > 0, { timeoutMs: subject.patienceMs ?? 120_000 });
    await web.batches.stop(id);
    gate.resolve();
    // The chunk in progress is finished.
    await until(async () => (await web.batches.get(id)).counts.done === seen.length);
    assert.ok(seen.length < 200, "the stop came to nothing");
    await web.batches.resume(id);
    assert.deepEqual((await ended(subject, host, id)).counts, counts(200));
    eachOnce(seen, 200);
  },

  async "runs a batch retried by another process"(subject) {
    const { operation, seen } = recording(({ generation, items: [key = 0] }) => {
      if (generation === 0) return { key, outcome: "failed", code: "not_yet", message: "not the first time" };
    });
    await using host = await open(subject, operation);
    await using web = await open(subject, operation, { role: "web" });
    const id = await submit(web, 3);
    assert.equal((await ended(subject, host, id)).counts.failed, 3);
    await web.batches.retry(id);
    const again = await ended(subject, host, id);
    assert.deepEqual([again.status, again.counts, again.generation], ["completed", counts(3), 1]);
    assert.equal(seen.length, 6);
  },

  async "stops after the chunks in progress"(subject) {
    const gate = Promise.withResolvers<void>();
    const { operation, seen } = recording(() => gate.promise);
    const host = await open(subject, operation, { concurrency: 2 });
    await using web = await open(subject, operation, { role: "web" });
    const id = await submit(web, 50);
    await until(() => seen.length === 2, { timeoutMs: subject.patienceMs ?? 120_000 });
    let closed = false;
    const closing = host.close().then(() => {
      closed = true;
    });
    await pause(300);
    assert.equal(closed, false, "it did not wait for the chunk in hand");
    const inHand = seen.length;
    gate.resolve();
    await closing;
    await pause(50);
    assert.equal(seen.length, inHand, "a chunk was handed out after the stop");
    const { status, counts: left } = await web.batches.get(id);
    assert.deepEqual([status, left], ["in_progress", counts(inHand)]);
    await using next = await open(subject, operation);
    await ended(subject, next, id);
    eachOnce(seen, 50);
  },

  async "runs as many chunks at once as configured"(subject) {
    let now = 0;
    let most = 0;
    const { operation } = recording(async () => {
      most = Math.max(most, ++now);
      await until(() => most >= 3);
      await pause(20);
      now--;
    });
    await using host = await open(subject, operation, { concurrency: 3 });
    await ended(subject, host, await submit(host, 30));
    assert.equal(most, 3);
  },

  async "delays a deferred chunk without counting an attempt"(subject) {
    let opensAt = Number.POSITIVE_INFINITY;
    const { operation, of } = recording(undefined, {
      name: "test.rows.patient",
      limits: { allowedFrom: (now) => (now < opensAt ? now + 500 : now) },
    });
    const other = recording();
    await using host = await open(subject, operation);
    host.register(other.operation);
    const { id } = await host.batches.submit({ operation: operation.name, items: items(8) });
    await ended(subject, host, await submit(host, 8));
    assert.equal(of(id).length, 0, "it did not wait");
    opensAt = Date.now();
    assert.deepEqual((await ended(subject, host, id)).counts, counts(8));
    for (const { at, attempt } of of(id)) assert.ok(at >= opensAt && attempt === 1);
  },

  async "retries a failed chunk after its back-off"(subject) {
    const { operation, seen } = recording(({ attempt, items: [item] }) => {
      if (item === 2 && attempt < 3) throw new ReinstateError("transient", "just now it does not answer");
    });
    await using host = await open(subject, operation);
    assert.deepEqual((await ended(subject, host, await submit(host, 3))).counts, counts(3));
    assert.deepEqual(
      seen.filter(({ item }) => item === 2).map(({ attempt }) => attempt),
      [1, 2, 3],
    );
  },

  async "shares a batch between two processes"(subject) {
    // The faster process waits for the other one after a part of the chunks.
    const sharing = (other: () => unknown[]) => async () => {
      if (one.seen.length + two.seen.length < 50) return pause(3);
      await until(() => other().length > 0, { timeoutMs: subject.patienceMs ?? 120_000 });
    };
    const one = recording(sharing(() => two.seen));
    const two = recording(sharing(() => one.seen));
    await using first = await open(subject, one.operation, { concurrency: 1 });
    await using second = await open(subject, two.operation, { concurrency: 1 });
    assert.deepEqual((await ended(subject, second, await submit(first, 300))).counts, counts(300));
    eachOnce([...one.seen, ...two.seen], 300);
    assert.ok(one.seen.length > 0 && two.seen.length > 0, "one of them did it alone");
  },

  async "takes over the chunk of a dead worker"(subject) {
    const { operation, seen } = recording();
    await using web = await open(subject, operation, { role: "web" });
    const id = await submit(web, 3);
    const leaseUntil = Date.now() + 1500;
    await withLedger(subject.databaseUrl, async (ledger) => {
      await ledger.move(id, "in_progress", Date.now());
      assert.ok(await ledger.claim(id, "the dead", Date.now(), leaseUntil));
    });
    await using host = await open(subject, operation);
    assert.deepEqual((await ended(subject, host, id)).counts, counts(3));
    eachOnce(seen, 3);
    const taken = seen.find(({ attempt }) => attempt === 2);
    assert.ok(taken && taken.at >= leaseUntil, "it was taken before its lease was over");
  },

  async "closes a batch whose last worker died"(subject) {
    const { operation, seen } = recording();
    await using web = await open(subject, operation, { role: "web" });
    const id = await submit(web, 1);
    await withLedger(subject.databaseUrl, async (ledger) => {
      await ledger.move(id, "in_progress", Date.now());
      const chunk = await ledger.claim(id, "the dead", Date.now(), Date.now() + 60_000);
      assert.ok(chunk && !("from" in chunk));
      const settlement = uniformChunkResult(1, "skipped", "same", "as it was");
      assert.ok(await ledger.finishChunk(chunk, settlement, Date.now(), { worker: "the dead" }));
    });
    await using host = await open(subject, operation);
    assert.equal((await ended(subject, host, id)).status, "completed");
    assert.equal(seen.length, 0);
  },

  async "runs a batch once its operation is registered"(subject) {
    const { operation, seen } = recording();
    await using web = await open(subject, operation, { role: "web" });
    let looks = 0;
    const engine: EngineFactory = (parts) => {
      const { ledger } = parts;
      const counted = <Args extends unknown[], Result>(ask: (...args: Args) => Promise<Result>) => {
        return (...args: Args): Promise<Result> => {
          looks++;
          return ask(...args);
        };
      };
      return subject.engine({
        ...parts,
        ledger: { ...ledger, open: counted(ledger.open), ready: counted(ledger.ready) },
      });
    };
    await using host = await open({ ...subject, engine }, undefined, { concurrency: 1 });
    const id = await submit(web, 3);
    const before = looks;
    // The second poll starts after the first has skipped the batch.
    await until(() => looks >= before + 2);
    host.register(operation);
    assert.equal((await ended(subject, host, id)).status, "completed");
    eachOnce(seen, 3);
  },

  async "leaves a batch to a process with its operation"(subject) {
    const { operation, seen } = recording();
    await using stranger = await open(subject, undefined);
    await using host = await open(subject, operation);
    await using web = await open(subject, operation, { role: "web" });
    assert.equal((await ended(subject, stranger, await submit(web, 100))).status, "completed");
    assert.ok(host.operations().length === 1 && stranger.operations().length === 0);
    eachOnce(seen, 100);
  },

  async "continues after an outage of the ledger"(subject) {
    let trouble = 0;
    const troubled = <Args extends unknown[], Result>(ask: (...args: Args) => Promise<Result>) => {
      return async (...args: Args): Promise<Result> => {
        if (trouble++ < 6) throw new ReinstateError("transient", "the ledger does not answer");
        return ask(...args);
      };
    };
    const engine: EngineFactory = (parts) => {
      const { ledger, runner } = parts;
      return subject.engine({
        ...parts,
        ledger: { ...ledger, open: troubled(ledger.open), ready: troubled(ledger.ready) },
        runner: { ...runner, runNext: troubled(runner.runNext) },
      });
    };
    const { operation, seen } = recording();
    await using host = await open({ ...subject, engine }, operation);
    assert.equal((await ended(subject, host, await submit(host, 5))).status, "completed");
    assert.ok(trouble > 6);
    eachOnce(seen, 5);
  },
};
