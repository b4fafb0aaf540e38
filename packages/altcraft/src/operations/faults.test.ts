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
import { createAltcraftClient, VendorError } from "../client.ts";
import { demo, start } from "../fixtures/server.ts";
import { createAltcraft } from "../index.ts";
import type { SubscriptionIdentity } from "../schemas.ts";
import { makeSubscription } from "../testing.ts";

const { token, place } = demo;
const names = Object.keys(faults) as FaultName[];
/** Random sequences of faults; more for a soak. */
const sequences = Number(process.env.FAULTS ?? 10);
const operation = "altcraft.subscriptions.undelete";

// The vendor, played by our own server, behind a proxy. Each test has subscriptions of its own there.
const vendor = await start();
const proxy = await startFaultyVendor((request) => vendor.server.routes.fetch(request));
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

const isSend = ({ path }: ProxiedRequest) => path.includes("/subscriptions/undelete");

const retry = { attempts: 2, sleep: async () => {} };
const connectionFor = (name?: FaultName) => ({
  ...{ token, retry, baseUrl: `${proxy.url}/api/v1.1` },
  timeoutMs: name === "one byte at a time" ? 300 : 30_000,
});

let next = 0;
/** Deleted subscriptions that no other test uses. */
async function deletedSubscriptions(count: number): Promise<SubscriptionIdentity[]> {
  const made = Array.from(
    { length: count },
    () => ({ ...place, channel: "email", email: `p${next++}@example.com` }) as const,
  );
  await vendor.server.store.addSubscriptions(made.map((one) => makeSubscription(one, { is_delete: true })));
  return made;
}

async function isLive(item: unknown): Promise<boolean> {
  const { email } = item as { email: string };
  const live = await vendor.server.store.ofProfile(place, { deleted: false });
  return live.some((subscription) => JSON.stringify(subscription).includes(`"${email}"`));
}

/** Undeletes subscriptions by the vendor and checks every outcome against what the vendor holds. */
async function undeleteAndCompare(name: FaultName, params: object = {}): Promise<string> {
  const [last] = await vendor.host.batches.list({ limit: 1 });
  await using host = await createTestHost(createQuickTime());
  await createAltcraft(host, { upstreamPerSecond: 10_000, upstream: connectionFor(name) });
  const unknownOne = { ...place, channel: "email", email: "nobody@example.com" };
  const items = [...(await deletedSubscriptions(4)), unknownOne];
  const { id } = await host.batches.submit({ operation, target: "upstream", items, params });
  const { status } = await host.batches.wait(id, { pollMs: 5 });
  expect(await findDisagreements(host, id, isLive)).toEqual([]);
  expect(await findChangedTwice(vendor.host, last?.id ?? 0)).toEqual([]);
  return status;
}

describe("a batch upstream", () => {
  const cases = names.flatMap((name) => [1, 12].map((count) => ({ name, count })));

  test.each(cases)("records the truth after $name, $count times", async ({ name, count }) => {
    proxy.spoil(name, count, isSend);
    expect(await undeleteAndCompare(name)).toBe("completed");
  });

  test.each(names)("records the truth after %s at the reading calls of the consent guard", async (name) => {
    proxy.spoil(name, 2, (request) => !isSend(request));
    expect(await undeleteAndCompare(name, { consent_guard: true, reason: "asked" })).toBe("completed");
  });

  test("records the truth after any sequence of faults", async () => {
    const sequence = fc.array(fc.option(fc.constantFrom(...names)), { minLength: 1, maxLength: 6 });
    const run = fc.asyncProperty(sequence, async (script) => {
      proxy.spoilByScript(script);
      await undeleteAndCompare("one byte at a time");
    });
    await fc.assert(run, { numRuns: sequences, endOnFailure: true });
  });

  test.each(endlessFaults)("ends and records the truth if %s goes on and on", async (name) => {
    proxy.spoil(name, 40, isSend);
    await undeleteAndCompare(name);
  });
});

describe("the client", () => {
  const cases = names.flatMap((name) => [1, 9].map((count) => ({ name, count })));

  test.each(cases)("reports no more than it knows after $name, $count times", async ({ name, count }) => {
    proxy.spoil(name, count, isSend);
    const client = createAltcraftClient(connectionFor(name));
    const [item] = (await deletedSubscriptions(1)) as [SubscriptionIdentity];
    const result = await client.subscriptions.undelete(item).then(
      () => "done",
      (error: unknown) => (VendorError.is(error) ? error.kind : String(error)),
    );
    if (result === "unknown_outcome" || result === "bad_reply") return;
    expect([result, await isLive(item)]).toEqual([
      expect.stringMatching(/^(done|unavailable|rate_limited|circuit_open|rejected)$/),
      result === "done",
    ]);
  });

  test("sends nothing to a server whose certificate has expired", async () => {
    await using expired = await startFaultProxy({ target: proxy.url, fault: () => undefined, expiredTls: true });
    const client = createAltcraftClient({ ...connectionFor(), baseUrl: `${expired.url}/api/v1.1` });
    const [item] = (await deletedSubscriptions(1)) as [SubscriptionIdentity];
    await expect(client.subscriptions.undelete(item)).rejects.toMatchObject({ kind: "unavailable" });
    expect(expired.requests).toEqual([]);
  });
});
