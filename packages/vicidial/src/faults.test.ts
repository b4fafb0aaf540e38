import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@reinstate/batch-core";
import {
  createTestHost,
  expiredCertificate,
  type FaultName,
  type FaultProxyOptions,
  faults,
  findDisagreements,
  startFaultProxy,
} from "@reinstate/batch-core/testing";
import * as fc from "fast-check";
import { sql } from "kysely";
import { afterAll, describe, expect, test } from "vitest";
import { createVicidialClient, VendorError } from "./client.ts";
import { createVicidial } from "./create.ts";
import { demoArchive, demoLive } from "./stores/sql.ts";
import { createUpstreamOperations, upstreamClient } from "./upstream.ts";
import { vicidial } from "./vendor.ts";

const names = Object.keys(faults) as FaultName[];
/** Random sequences of faults; more for a soak. */
const sequences = Number(process.env.FAULTS ?? 10);
const apiKey = "demo-vicidial-key";
const both = { insert_leads: true, delete_leads: true };
const sides = { dearchive: { from: demoArchive, to: demoLive }, archive: { from: demoLive, to: demoArchive } };
type Verb = keyof typeof sides;

// Pauses are short; the lease takes that into account.
const factor = 200;
const leaseMs = 60_000_000;
function quickClock(): Clock {
  const begun = Date.now();
  return {
    now: () => begun + (Date.now() - begun) * factor,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  };
}

// The vendor, played by our own server, behind a proxy. Each test has leads of its own there.
const vendor = await createTestHost();
const server = await createVicidial(vendor);
for (const key of vicidial.demo.keys) await vendor.keys.create(key);
await vicidial.demo.load(vendor, server);
const state: { fault: FaultProxyOptions["fault"] } = { fault: () => undefined };
const proxy = await startFaultProxy({
  target: (request) => server.routes.fetch(request),
  fault: (request) => state.fault(request),
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

/** Spoils the first `count` requests. */
function spoil(name: FaultName, count: number): void {
  let left = count;
  state.fault = () => (left-- > 0 ? faults[name] : undefined);
}

const timeoutFor = (name: FaultName) => (name === "one byte at a time" ? 300 : 30_000);

let next = 1;
/** Archived leads that no other test uses. */
const archivedLeads = (count: number) => Array.from({ length: count }, () => next++);

async function leadsIn(table: string): Promise<Set<unknown>> {
  const { rows } = await sql<{ lead_id: number }>`select lead_id from ${sql.table(table)}`.execute(
    vendor.database.tables(),
  );
  return new Set(rows.map(({ lead_id }) => Number(lead_id)));
}

/** Returns the leads that the vendor's batches since `first` moved more than once. */
async function findMovedTwice(first: number): Promise<unknown[]> {
  const times = new Map<string, number>();
  for (const { id, label } of await vendor.batches.list({ limit: 50 })) {
    if (id <= first) break;
    for await (const { item, outcome } of vendor.batches.everyItem(id)) {
      const name = `${label} ${item}`;
      if (outcome === "done") times.set(name, (times.get(name) ?? 0) + 1);
    }
  }
  return [...times].filter(([, count]) => count > 1).map(([name]) => name);
}

/** Moves leads by the vendor and checks every outcome against what the vendor's tables hold. */
async function moveAndCompare(name: FaultName, verb: Verb, items: number[], params: object): Promise<string> {
  const [last] = await vendor.batches.list({ limit: 1 });
  await using host = await createTestHost({ clock: quickClock(), leaseMs });
  const options = { upstreamUrl: proxy.url, upstreamKey: apiKey, timeoutMs: timeoutFor(name) };
  host.register(...createUpstreamOperations(options, () => host.clock.now()));
  const operation = `vicidial.leads.${verb}`;
  const { id } = await host.batches.submit({ operation, target: "upstream", items, params, inline: false });
  const { status } = await host.batches.wait(id, { pollMs: 5 });
  const { from, to } = sides[verb];
  const [source, target] = [await leadsIn(from), await leadsIn(to)];
  const isMoved = (item: unknown) => target.has(item) && !source.has(item);
  expect(await findDisagreements(host, id, isMoved)).toEqual([]);
  expect(await findMovedTwice(last?.id ?? 0)).toEqual([]);
  return status;
}

describe("a batch upstream", () => {
  const cases = names.flatMap((name) => [1, 3].map((count) => ({ name, count })));

  test.each(cases)("records the truth in both directions after $name, $count times", async ({ name, count }) => {
    const leads = archivedLeads(5);
    const items = [...leads, 4_000_000];
    spoil(name, count);
    expect(await moveAndCompare(name, "dearchive", items, both)).toBe("completed");
    // Only those that the first batch surely moved.
    const live = await leadsIn(demoLive);
    spoil(name, count);
    const there = leads.filter((id) => live.has(id));
    if (there.length > 0)
      await moveAndCompare(name, "archive", [...there, 4_000_000], { ...both, update_leads: false });
  });

  test("records the truth after any sequence of faults", async () => {
    const sequence = fc.array(fc.option(fc.constantFrom(...names)), { minLength: 1, maxLength: 6 });
    const run = fc.asyncProperty(sequence, async (script) => {
      let index = 0;
      state.fault = () => {
        const name = script[index++];
        return name ? faults[name] : undefined;
      };
      await moveAndCompare("one byte at a time", "dearchive", archivedLeads(3), both);
    });
    await fc.assert(run, { numRuns: sequences, endOnFailure: true });
  });

  test.each(["HTML with 200 after the effect", "truncated JSON", "oversized JSON", "reset before the reply"] as const)(
    "ends and records the truth if %s goes on and on",
    async (name) => {
      spoil(name, 40);
      await moveAndCompare(name, "dearchive", archivedLeads(5), both);
    },
  );
});

describe("the client", () => {
  const cases = names.flatMap((name) => [1, 9].map((count) => ({ name, count })));

  test.each(cases)("reports no more than it knows after $name, $count times", async ({ name, count }) => {
    spoil(name, count);
    const { leads } = createVicidialClient({ baseUrl: proxy.url, apiKey, timeoutMs: timeoutFor(name) });
    const lead_ids = archivedLeads(2);
    const result = await leads.dearchive({ ...both, lead_ids }).then(
      () => "done",
      (error: unknown) => (VendorError.is(error) ? error.kind : String(error)),
    );
    if (result === "unknown_outcome" || result === "bad_reply") return;
    expect([result, (await leadsIn(demoLive)).has(lead_ids[0])]).toEqual([
      expect.stringMatching(/^(done|unavailable|rate_limited|circuit_open|rejected)$/),
      result === "done",
    ]);
  });

  test("sends nothing to a server whose certificate has expired", async () => {
    await using expired = await startFaultProxy({ target: proxy.url, fault: () => undefined, expiredTls: true });
    const folder = mkdtempSync(join(tmpdir(), "reinstate-expired-"));
    const upstreamCa = join(folder, "ca.pem");
    writeFileSync(upstreamCa, expiredCertificate.cert);
    const { leads } = upstreamClient({ upstreamUrl: expired.url, upstreamKey: apiKey, upstreamCa });
    rmSync(folder, { recursive: true });
    const call = leads.dearchive({ ...both, lead_ids: [1] });
    await expect(call).rejects.toMatchObject({ kind: "unavailable", cause: { code: "CERT_HAS_EXPIRED" } });
    expect(expired.requests).toEqual([]);
  });
});
