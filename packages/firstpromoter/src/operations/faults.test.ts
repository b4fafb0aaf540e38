import {
  createQuickTime,
  createTestHost,
  endlessFaults,
  type FaultName,
  faults,
  findChangedTwice,
  findDisagreements,
  type ProxiedRequest,
  startFaultProxy,
  startFaultyVendor,
} from "@reinstate/batch-core/testing";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createFirstPromoterClient, VendorError } from "../client.ts";
import { start } from "../fixtures/server.ts";
import { createFirstPromoter, type Upstream } from "../index.ts";

const names = Object.keys(faults) as FaultName[];
/** Random sequences of faults; more for a soak. */
const sequences = Number(process.env.FAULTS ?? 10);
const credentials = { apiKey: "demo-firstpromoter-key", accountId: "acc_demo" };
const operation = "firstpromoter.promoters.restore";

// The vendor, played by our own server, behind a proxy. Each test has promoters of its own there.
const vendor = await start("sqlite::memory:", { rateLimit: 0 });
const proxy = await startFaultyVendor((request) => vendor.instance.routes.fetch(request));
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

const isSend = ({ method }: ProxiedRequest) => method === "POST";

const connectionFor = (name?: FaultName): Upstream => ({
  ...credentials,
  baseUrl: `${proxy.url}/api/v2/company`,
  timeoutMs: name === "one byte at a time" ? 300 : 30_000,
});

let next = 1;
/** Archived promoters that no other test uses. */
const archivedIds = (count: number) => Array.from({ length: count }, () => next++);

async function isLive(id: unknown): Promise<boolean> {
  const query = { ids: [id as number], archived: false, sorting: [], limit: 10, offset: 0 };
  return (await vendor.instance.store.list("acc_demo", query)).length === 1;
}

/** Restores promoters by the vendor and checks every outcome against what the vendor holds. */
async function restoreAndCompare(name: FaultName): Promise<string> {
  const [last] = await vendor.host.batches.list({ limit: 1 });
  await using host = await createTestHost(createQuickTime());
  const { closing } = await createFirstPromoter(host, { upstream: connectionFor(name) });
  const { id } = await host.batches.submit({
    operation,
    target: "upstream",
    items: [...archivedIds(7), 950, 5_000_000],
  });
  const { status } = await host.batches.wait(id, { pollMs: 5 });
  expect(await findChangedTwice(vendor.host, last?.id ?? 0)).toEqual([]);
  expect(await findDisagreements(host, id, isLive)).toEqual([]);
  await closing();
  return status;
}

describe("a batch upstream", () => {
  const cases = names.flatMap((name) => [
    { name, place: "the sending call", spoils: isSend, count: 1 },
    { name, place: "the sending call", spoils: isSend, count: 3 },
    { name, place: "the reading calls", spoils: (request: ProxiedRequest) => !isSend(request), count: 2 },
  ]);

  test.each(cases)("records the truth after $name, $count times at $place", async ({ name, spoils, count }) => {
    proxy.spoil(name, count, spoils);
    expect(await restoreAndCompare(name)).toBe("completed");
  });

  test("records the truth after any sequence of faults", async () => {
    const sequence = fc.array(fc.option(fc.constantFrom(...names)), { minLength: 1, maxLength: 6 });
    const run = fc.asyncProperty(sequence, async (script) => {
      proxy.spoilByScript(script);
      await restoreAndCompare("one byte at a time");
    });
    await fc.assert(run, { numRuns: sequences, endOnFailure: true });
  });

  test.each(endlessFaults)("ends and records the truth if %s goes on and on", async (name) => {
    proxy.spoil(name, 40, isSend);
    await restoreAndCompare(name);
  });

  test("sends nothing to a server whose certificate has expired", async () => {
    await using expired = await startFaultProxy({ target: proxy.url, fault: () => undefined, expiredTls: true });
    await using host = await createTestHost(createQuickTime());
    const upstream = { ...connectionFor(), baseUrl: `${expired.url}/api/v2/company` };
    const { closing } = await createFirstPromoter(host, { upstream });
    const { id } = await host.batches.submit({ operation, target: "upstream", items: archivedIds(1), inline: false });
    await host.batches.stop(id);
    const { counts } = await host.batches.wait(id, { pollMs: 5 });
    expect([counts.done, counts.skipped, counts.unknown, expired.requests]).toEqual([0, 0, 0, []]);
    await closing();
  });
});

describe("the client", () => {
  const cases = names.flatMap((name) => [1, 9].map((count) => ({ name, count })));

  test.each(cases)("reports no more than it knows after $name, $count times", async ({ name, count }) => {
    proxy.spoil(name, count, isSend);
    const client = createFirstPromoterClient({ ...connectionFor(name), retry: { sleep: async () => {} } });
    const ids = archivedIds(2);
    const result = await client.promoters.restore(ids).then(
      () => "done",
      (error: unknown) => (VendorError.is(error) ? error.kind : String(error)),
    );
    if (result === "unknown_outcome" || result === "bad_reply") return;
    expect([result, await isLive(ids[0])]).toEqual([
      expect.stringMatching(/^(done|unavailable|rate_limited|circuit_open|rejected)$/),
      result === "done",
    ]);
  });
});
