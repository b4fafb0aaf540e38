import assert from "node:assert/strict";
import { isFinished } from "../batch/batch.ts";
import { VendorError } from "../client/vendor-error.ts";
import { systemClock } from "../clock.ts";
import type { Host } from "../host.ts";
import { findDisagreements } from "./disagreements.ts";
import { type FaultName, faults, type ProxiedRequest, startFaultProxy } from "./fault-proxy.ts";
import {
  createQuickTime,
  endlessFaults,
  type FaultyVendor,
  findChangedTwice,
  startFaultyVendor,
} from "./faulty-vendor.ts";
import { seeded } from "./simulation/scheduler.ts";
import { createTestHost } from "./test-host.ts";
import { until } from "./until.ts";

/** The address of the vendor for the operations and the client under test. */
export interface UpstreamAddress {
  /** Without a path. */
  url: string;
  /** Time-out for the complete reply in milliseconds. */
  timeoutMs: number;
}

/** An operation at a vendor, and a server of that vendor. */
export interface UpstreamUnderTest<Item = unknown> {
  /** The server. Only the contract may call it meanwhile. */
  vendor: { fetch(request: Request): Response | Promise<Response> };
  operation: string;
  /** The account of the batches, if the vendor has accounts. */
  account?: string;
  params?: object;
  /** Registers the operations with a host. Returns a function that ends their work. */
  connect(host: Host, address: UpstreamAddress): Promise<{ closing?(): Promise<void> }>;
  /** Makes the same change by one call of the client, without long pauses. */
  call(item: Item, address: UpstreamAddress): Promise<unknown>;
  /** Creates items that the operation can change. Never returns an item twice. */
  makeItems(count: number): Promise<Item[]>;
  /** Other items of each batch: items that the vendor does not know or rejects, or that need no change. */
  others: Item[];
  /** Reports whether the vendor holds the item in the target state. */
  isChanged(item: Item): Promise<boolean>;
  /** Starts to count changes. Returns a function that lists the items that were changed more than once since. */
  watchChanges(): Promise<() => Promise<string[]>>;
  /** Reports whether a request changes items. */
  isSend(request: ProxiedRequest): boolean;
  /** Databases for the ledger that two workers share. */
  databases: readonly { name: string; open(): Promise<AsyncDisposable & { url: string }> }[];
  /** Random sequences of faults. Default 10. */
  sequences?: number;
}

/** A guarantee of the contract. `check` throws if it is broken. */
export interface UpstreamPromise {
  name: string;
  check(): Promise<void>;
}

const names = Object.keys(faults) as FaultName[];
const patientMs = 30_000;
const trickleMs = 300;
/** More calls than any vendor needs for one chunk. */
const mostCalls = 12;

const timeoutFor = (name: FaultName) => (name === "one byte at a time" ? trickleMs : patientMs);
/** Reports whether a batch must end as completed. With a short time-out, more calls may fail on a busy machine than were damaged. */
const mustComplete = (name: FaultName) => timeoutFor(name) === patientMs;

/**
 * Returns a function that lists the items which batches of this host changed more than once from now on.
 *
 * @example watchChanges: () => watchChanges(vendor.host)
 */
export async function watchChanges(host: Host): Promise<() => Promise<string[]>> {
  const [last] = await host.batches.list({ limit: 1 });
  return () => findChangedTwice(host, last?.id ?? 0);
}

/**
 * The guarantees of every operation at a vendor under network faults:
 * - Each outcome is true or `unknown`.
 * - No item is changed twice.
 * - The batch ends.
 * - A worker that takes a chunk over determines the effects of the previous worker.
 * - An error of the client other than `unknown_outcome` and `bad_reply` means that nothing was changed.
 *
 * @example test.each(upstreamContract({ vendor, operation, connect, … }))("$name", ({ check }) => check());
 */
export function upstreamContract<Item>(tested: UpstreamUnderTest<Item>): UpstreamPromise[] {
  const { isSend } = tested;
  return [
    ...names.flatMap((name) => [
      promise(`records the truth after ${name} at each call`, () => checkEachCall(tested, name)),
      promise(`records the truth after ${name} at four sending calls`, () =>
        checkFaults(tested, timeoutFor(name), (vendor) => vendor.spoil(name, 4, isSend), mustComplete(name)),
      ),
      ...[1, 9].map((count) =>
        promise(`has a client that reports no more than it knows after ${name}, ${count} times`, () =>
          checkClient(tested, name, count),
        ),
      ),
    ]),
    ...endlessFaults.map((name) =>
      promise(`ends and records the truth if ${name} goes on and on`, () =>
        checkFaults(tested, patientMs, (vendor) => vendor.spoil(name, 40, isSend), false),
      ),
    ),
    ...Array.from({ length: tested.sequences ?? 10 }, (_, seed) =>
      promise(`records the truth after the random faults of seed ${seed}`, () =>
        checkFaults(tested, trickleMs, (vendor) => vendor.spoilByScript(makeScript(seed)), false),
      ),
    ),
    ...tested.databases.flatMap(({ name, open }) =>
      [false, true].map((arrives) =>
        promise(`takes over after a kill ${arrives ? "after" : "before"} the effect, on ${name}`, () =>
          checkKill(tested, open, arrives),
        ),
      ),
    ),
    promise("sends nothing to a server whose certificate has expired", () => checkCertificate(tested)),
  ];
}

function promise(name: string, check: () => Promise<unknown>): UpstreamPromise {
  return {
    name,
    async check() {
      await check();
    },
  };
}

/** Damages the first call, then the second, and so on, each with new items and a new host. */
async function checkEachCall<Item>(tested: UpstreamUnderTest<Item>, name: FaultName): Promise<void> {
  for (let index = 0; index < mostCalls; index++) {
    const script = [...Array<null>(index).fill(null), name];
    const calls = await checkFaults(
      tested,
      timeoutFor(name),
      (vendor) => vendor.spoilByScript(script),
      mustComplete(name),
    );
    if (calls <= index) return;
  }
}

function makeScript(seed: number): (FaultName | null)[] {
  const random = seeded(seed);
  const pick = () => (random() < 0.3 ? null : (names[Math.floor(random() * names.length)] ?? null));
  return Array.from({ length: 1 + Math.floor(random() * 6) }, pick);
}

/** Runs a batch at a faulty vendor. Returns the number of requests. */
async function checkFaults<Item>(
  tested: UpstreamUnderTest<Item>,
  timeoutMs: number,
  spoil: (vendor: FaultyVendor) => void,
  expectCompleted: boolean,
): Promise<number> {
  await using vendor = await startFaultyVendor((request) => tested.vendor.fetch(request));
  await using host = await createTestHost(createQuickTime());
  const { closing } = await tested.connect(host, { url: vendor.url, timeoutMs });
  const findTwice = await tested.watchChanges();
  spoil(vendor);
  const id = await submit(tested, host, await tested.makeItems(7));
  const { status } = await host.batches.wait(id, { pollMs: 5 });
  await closing?.();
  await assertTruth(tested, host, id, findTwice);
  if (expectCompleted) assert.equal(status, "completed");
  return vendor.requests.length;
}

async function submit<Item>(
  { operation, account = "", params = {}, others }: UpstreamUnderTest<Item>,
  { batches }: Host,
  made: Item[],
): Promise<number> {
  const items = [...made, ...others];
  return (await batches.submit({ operation, account, target: "upstream", params, items, inline: false })).id;
}

async function assertTruth<Item>(
  { isChanged, others }: UpstreamUnderTest<Item>,
  host: Host,
  id: number,
  findTwice: () => Promise<string[]>,
): Promise<void> {
  assert.deepEqual(await findTwice(), [], "the vendor changed items twice");
  const disagreements = await findDisagreements(host, id, (item) => isChanged(item as Item));
  assert.deepEqual(disagreements, [], "outcomes differ from what the vendor holds");
  const names = others.map((item) => JSON.stringify(item));
  for await (const { item, outcome } of host.batches.everyItem(id)) {
    const isOther = names.includes(JSON.stringify(item));
    assert.ok(!isOther || outcome !== "done", `${JSON.stringify(item)} was not to be changed and is reported as done`);
  }
}

/** Kills a worker before or after its sending calls arrive. Another worker takes its chunk over. */
async function checkKill<Item>(
  tested: UpstreamUnderTest<Item>,
  open: UpstreamUnderTest<Item>["databases"][number]["open"],
  arrives: boolean,
): Promise<void> {
  const isSent = Promise.withResolvers<void>();
  const end = Promise.withResolvers<Response>();
  await using database = await open();
  const databaseUrl = database.url;
  await using vendor = await startFaultyVendor((request) => tested.vendor.fetch(request));
  await using deadEnd = await startFaultyVendor(async (request) => {
    const { pathname, search } = new URL(request.url);
    const body = await request.clone().text();
    const proxied = { index: 0, method: request.method, path: pathname + search, headers: {}, body };
    if (!tested.isSend(proxied)) return tested.vendor.fetch(request);
    if (arrives) await tested.vendor.fetch(request);
    isSent.resolve();
    return end.promise;
  });
  const findTwice = await tested.watchChanges();
  // For all other workers, the leases of this one have expired.
  const clock = { ...systemClock, now: () => Date.now() - 3_600_000 };
  await using killed = await createTestHost({ databaseUrl, clock });
  const dead = await tested.connect(killed, { url: deadEnd.url, timeoutMs: patientMs });
  const id = await submit(tested, killed, await tested.makeItems(7));
  await isSent.promise;
  await using host = await createTestHost({ databaseUrl, ...createQuickTime() });
  const { closing } = await tested.connect(host, { url: vendor.url, timeoutMs: patientMs });
  const { status, counts } = await host.batches.wait(id, { pollMs: 5 });
  end.resolve(new Response("", { status: 500 }));
  await Promise.all([closing?.(), dead.closing?.()]);
  await assertTruth(tested, host, id, findTwice);
  assert.equal(status, "completed");
  assert.deepEqual([counts.done + counts.skipped >= 7, counts.unknown], [true, 0], "a change was lost or left unknown");
}

async function checkCertificate<Item>(tested: UpstreamUnderTest<Item>): Promise<void> {
  const target = (request: Request) => tested.vendor.fetch(request);
  await using expired = await startFaultProxy({ target, fault: () => undefined, expiredTls: true });
  const address = { url: expired.url, timeoutMs: patientMs };
  await using host = await createTestHost(createQuickTime());
  const { closing } = await tested.connect(host, address);
  const items = await tested.makeItems(1);
  const id = await submit(tested, host, items);
  // The batch fails or, if the vendor seems to be down, waits.
  const { counts } = await until(async () => {
    const batch = await host.batches.get(id);
    return (isFinished(batch.status) || batch.waitingFor === "vendor") && batch;
  });
  await host.batches.stop(id).catch(() => undefined);
  await closing?.();
  assert.deepEqual([counts.done, counts.skipped, counts.unknown], [0, 0, 0], "outcomes are made up");
  assert.deepEqual(expired.requests, [], "the server got requests of the operation");
  assert.equal(await callByClient(tested, items, address), "unavailable");
  assert.deepEqual(expired.requests, [], "the server got requests of the client");
}

async function checkClient<Item>(tested: UpstreamUnderTest<Item>, name: FaultName, count: number): Promise<void> {
  await using vendor = await startFaultyVendor((request) => tested.vendor.fetch(request));
  vendor.spoil(name, count, tested.isSend);
  const items = await tested.makeItems(1);
  const result = await callByClient(tested, items, { url: vendor.url, timeoutMs: timeoutFor(name) });
  if (result === "unknown_outcome" || result === "bad_reply") return;
  const isChanged = await Promise.all(items.map((item) => tested.isChanged(item)));
  assert.deepEqual([result, isChanged], [result, [result === "done"]], "the client reports what is not so");
}

/** Returns the kind of the error, or `done`. */
async function callByClient<Item>(
  { call }: UpstreamUnderTest<Item>,
  items: Item[],
  address: UpstreamAddress,
): Promise<string> {
  try {
    for (const item of items) await call(item, address);
    return "done";
  } catch (error) {
    if (VendorError.is(error)) return error.kind;
    throw error;
  }
}
