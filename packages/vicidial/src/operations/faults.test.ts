import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createQuickTime,
  createTestHost,
  endlessFaults,
  expiredCertificate,
  type FaultName,
  faults,
  findChangedTwice,
  findDisagreements,
  startFaultProxy,
  startFaultyVendor,
} from "@reinstate/batch-core/testing";
import * as fc from "fast-check";
import { sql } from "kysely";
import { afterAll, describe, expect, test } from "vitest";
import { createVicidialClient, VendorError } from "../client.ts";
import { createVicidial } from "../create.ts";
import { demoArchive, demoLive } from "../store/demo-tables.ts";
import { vicidial } from "../vendor.ts";
import { createUpstreamOperations, upstreamClient } from "./upstream.ts";

const names = Object.keys(faults) as FaultName[];
/** Random sequences of faults; more for a soak. */
const sequences = Number(process.env.FAULTS ?? 10);
const apiKey = "demo-vicidial-key";
const both = { insert_leads: true, delete_leads: true };
const sides = { dearchive: { from: demoArchive, to: demoLive }, archive: { from: demoLive, to: demoArchive } };
type Verb = keyof typeof sides;

// The vendor, played by our own server, behind a proxy. Each test has leads of its own there.
const vendor = await createTestHost();
const server = await createVicidial(vendor);
for (const key of vicidial.demo.keys) await vendor.keys.create(key);
await vicidial.demo.load(vendor, server);
const proxy = await startFaultyVendor((request) => server.routes.fetch(request));
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

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

/** Moves leads by the vendor and checks every outcome against what the vendor's tables hold. */
async function moveAndCompare(name: FaultName, verb: Verb, items: number[], params: object): Promise<string> {
  const [last] = await vendor.batches.list({ limit: 1 });
  await using host = await createTestHost(createQuickTime());
  const options = { upstreamUrl: proxy.url, upstreamKey: apiKey, timeoutMs: timeoutFor(name) };
  host.register(...createUpstreamOperations(host, options));
  const operation = `vicidial.leads.${verb}`;
  const { id } = await host.batches.submit({ operation, target: "upstream", items, params, inline: false });
  const { status } = await host.batches.wait(id, { pollMs: 5 });
  const { from, to } = sides[verb];
  const [source, target] = [await leadsIn(from), await leadsIn(to)];
  const isMoved = (item: unknown) => target.has(item) && !source.has(item);
  expect(await findDisagreements(host, id, isMoved)).toEqual([]);
  expect(await findChangedTwice(vendor, last?.id ?? 0)).toEqual([]);
  return status;
}

describe("a batch upstream", () => {
  const cases = names.flatMap((name) => [1, 3].map((count) => ({ name, count })));

  test.each(cases)("records the truth in both directions after $name, $count times", async ({ name, count }) => {
    const leads = archivedLeads(5);
    const items = [...leads, 4_000_000];
    proxy.spoil(name, count);
    expect(await moveAndCompare(name, "dearchive", items, both)).toBe("completed");
    // Only those that the first batch surely moved.
    const live = await leadsIn(demoLive);
    proxy.spoil(name, count);
    const there = leads.filter((id) => live.has(id));
    if (there.length > 0)
      await moveAndCompare(name, "archive", [...there, 4_000_000], { ...both, update_leads: false });
  });

  test("records the truth after any sequence of faults", async () => {
    const sequence = fc.array(fc.option(fc.constantFrom(...names)), { minLength: 1, maxLength: 6 });
    const run = fc.asyncProperty(sequence, async (script) => {
      proxy.spoilByScript(script);
      await moveAndCompare("one byte at a time", "dearchive", archivedLeads(3), both);
    });
    await fc.assert(run, { numRuns: sequences, endOnFailure: true });
  });

  test.each(endlessFaults)("ends and records the truth if %s goes on and on", async (name) => {
    proxy.spoil(name, 40);
    await moveAndCompare(name, "dearchive", archivedLeads(5), both);
  });
});

describe("the client", () => {
  const cases = names.flatMap((name) => [1, 9].map((count) => ({ name, count })));

  test.each(cases)("reports no more than it knows after $name, $count times", async ({ name, count }) => {
    proxy.spoil(name, count);
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
