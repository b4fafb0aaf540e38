import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@reinstate/batch-core";
import { createTestHost } from "@reinstate/batch-core/testing";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../create.ts";
import { selfSigned } from "../fixtures/self-signed.ts";
import { makeLead } from "../leads/make-lead.ts";
import { demoArchive, demoLive } from "../store/demo-store.ts";

const key = "the-key-of-the-vendor";
const both = { insert_leads: true, delete_leads: true };
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** A vendor's server, and what was asked of it; `answer` may step in before it. */
async function vendor({ tls = false, hours = "any" }: { tls?: boolean; hours?: string } = {}) {
  const now = { value: Date.parse("2026-01-05T12:00:00Z") };
  const clock: Clock = { now: () => now.value, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 10), signal) };
  const host = await createTestHost({ clock });
  await host.keys.create({ vendor: "vicidial", secret: key });
  const real = await createVicidial(host, { dearchiveHours: hours });
  const asked: { leads: number; insert: boolean }[] = [];
  const step: { answer?: ((body: string) => Response | "cut" | undefined) | undefined } = {};
  const listener: RequestListener = async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const read = JSON.parse(body);
    asked.push({ leads: read.lead_ids.length, insert: read.insert_leads });
    const init = { method: "POST", headers: request.headers as Record<string, string>, body };
    const reply = step.answer?.(body) ?? (await real.routes.fetch(new Request(`http://server${request.url}`, init)));
    if (reply === "cut") return response.destroy();
    response.writeHead(reply.status, Object.fromEntries(reply.headers)).end(await reply.text());
    return undefined;
  };
  const server = tls ? createTlsServer(selfSigned, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host,
    now,
    asked,
    step,
    clock,
    url: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    async fill(table: string, leads: ReturnType<typeof makeLead>[]) {
      for (let start = 0; start < leads.length; start += 100) {
        const part = leads.slice(start, start + 100);
        await host.database.transaction((db) => db.insertInto(table).values(part).execute());
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await host.close();
    },
  };
}

async function ours(upstreamUrl: string, { clock, upstreamCa }: { clock?: Clock; upstreamCa?: string } = {}) {
  const host = await createTestHost(clock ? { clock } : {});
  await createVicidial(host, { upstreamUrl, upstreamKey: key, ...(upstreamCa !== undefined && { upstreamCa }) });
  return {
    host,
    submit: (items: number[], params: object = both, verb = "dearchive") =>
      host.batches.submit({ operation: `vicidial.leads.${verb}`, target: "upstream", items, params }),
    codes: async (batch: number) => {
      const found = new Map<string, number>();
      for await (const { outcome, code } of host.batches.everyItem(batch)) {
        const word = `${outcome} ${code ?? ""}`.trim();
        found.set(word, (found.get(word) ?? 0) + 1);
      }
      return Object.fromEntries(found);
    },
    [Symbol.asyncDispose]: () => host.close(),
  };
}

test("sends calls of 500 and repeats them without missing leads", async () => {
  await using there = await vendor();
  await there.fill(
    demoArchive,
    ids(1, 1200)
      .filter((id) => id % 400 !== 0)
      .map((id) => makeLead(id)),
  );
  await using here = await ours(there.url);
  const accepted = await here.submit(ids(1, 1200));
  const batch = await here.host.batches.wait(accepted.id);
  expect(await here.codes(batch.id)).toEqual({ done: 1197, "failed missing": 3 });
  expect(batch.tally).toMatchObject({ select_count: 1197, insert_count: 1197, delete_count: 1197 });
  expect(there.asked.map(({ leads }) => leads)).toEqual([500, 499, 500, 499, 200, 199]);
});

test("finds kept leads by asking which still exist", async () => {
  await using there = await vendor();
  await there.fill(
    demoArchive,
    ids(1, 10).map((id) => makeLead(id)),
  );
  await there.fill(demoLive, [makeLead(3, { status: "SALE" }), makeLead(7, { status: "SALE" })]);
  await using here = await ours(there.url);
  const batch = await here.submit(ids(1, 10));
  expect(await here.codes(batch.id)).toEqual({ done: 8, "failed kept": 2 });
  const { items } = await here.host.batches.items(batch.id, { outcome: "failed" });
  expect(items.map(({ item }) => item)).toEqual([3, 7]);
  expect(there.asked).toEqual([
    { leads: 10, insert: true },
    { leads: 10, insert: false },
  ]);
});

test("predicts outcomes by calls that change nothing", async () => {
  await using there = await vendor();
  const archived = ids(1, 10).map((id) => makeLead(id));
  await there.fill(demoArchive, archived);
  await there.fill(demoLive, [makeLead(3, { status: "SALE" }), makeLead(7)]);
  await using here = await ours(there.url);
  const predict = async (params: object, verb = "dearchive") => {
    const operation = `vicidial.leads.${verb}`;
    const dryRun = { operation, target: "upstream", items: ids(1, 12), params, dryRun: true } as const;
    const { id } = await here.host.batches.submit(dryRun);
    await here.host.batches.wait(id);
    return here.codes(id);
  };
  expect(await predict(both)).toEqual({ done: 8, "unknown in_both": 2, "failed missing": 2 });
  const none = { insert_leads: false, delete_leads: false };
  expect(await predict({ ...none, insert_leads: true })).toEqual({
    done: 8,
    "skipped already_there": 2,
    "failed missing": 2,
  });
  expect(await predict({ ...none, delete_leads: true })).toEqual({
    "failed kept": 8,
    "unknown in_both": 2,
    "failed missing": 2,
  });
  expect(await predict(none)).toEqual({ "skipped nothing_asked": 10, "failed missing": 2 });
  const update = { insert_leads: false, update_leads: true, delete_leads: true };
  expect(await predict(update, "archive")).toEqual({ done: 2, "failed missing": 10 });
  expect(there.asked.every(({ insert }) => !insert)).toBe(true);
  expect(await there.host.database.transaction((db) => db.selectFrom(demoArchive).selectAll().execute())).toHaveLength(
    10,
  );
});

test("reports no moved leads as kept after a failed lookup", async () => {
  await using there = await vendor();
  await there.fill(
    demoArchive,
    ids(1, 5).map((id) => makeLead(id)),
  );
  await there.fill(demoLive, [makeLead(3, { status: "SALE" })]);
  await using here = await ours(there.url);
  let failures = 1;
  there.step.answer = (body) =>
    !body.includes('"insert_leads":true') && failures-- > 0 ? new Response("", { status: 503 }) : undefined;
  const batch = await here.host.batches.wait((await here.submit(ids(1, 5))).id);
  expect(failures).toBeLessThanOrEqual(0);
  expect(await here.codes(batch.id)).toEqual({ "skipped already_there": 4, "failed kept": 1 });
});

test("waits for the office hours and loses no lead", async () => {
  await using there = await vendor({ hours: "outside 08:00-18:00 mon-fri" });
  await there.fill(demoArchive, [makeLead(1)]);
  await using here = await ours(there.url, { clock: there.clock });
  const batch = await here.submit([1]);
  expect(batch.counts).toMatchObject({ done: 0, failed: 0 });
  there.now.value = Date.parse("2026-01-05T18:30:00Z");
  expect(await here.host.batches.wait(batch.id)).toMatchObject({ status: "completed", counts: { done: 1 } });
});

describe("a call whose answer was lost", () => {
  /** Leads 1 and 2 were moved by the lost call, 3 to 5 are in the source table, and the vendor never knew 6 and 7. */
  async function loseAnswer({ refuse }: { refuse?: Response } = {}) {
    await using there = await vendor();
    await there.fill(
      demoArchive,
      ids(3, 5).map((id) => makeLead(id)),
    );
    await there.fill(demoLive, [makeLead(1), makeLead(2)]);
    await using here = await ours(there.url);
    let calls = 0;
    there.step.answer = (body) => {
      if (calls++ === 0) return "cut";
      return body.includes("update_leads") ? refuse : undefined;
    };
    const batch = await here.host.batches.wait((await here.submit(ids(1, 7))).id);
    const live = await there.host.database.transaction((db) => db.selectFrom(demoLive).select("lead_id").execute());
    return { codes: await here.codes(batch.id), live: live.map(({ lead_id }) => lead_id) };
  }

  test("is sent again, and tells moved leads from unknown ones", async () => {
    expect(await loseAnswer()).toEqual({
      codes: { done: 3, "skipped already_there": 2, "failed missing": 2 },
      live: [1, 2, 3, 4, 5],
    });
  });

  test("leaves leads unknown if the vendor refuses to say", async () => {
    const message = "api cannot be executed during office hours time condition";
    const refuse = Response.json({ message }, { status: 403 });
    expect(await loseAnswer({ refuse })).toMatchObject({ codes: { done: 3, "unknown not_in_source": 4 } });
  });

  test("leaves leads unknown if the vendor rejects the next call", async () => {
    await using there = await vendor();
    await using here = await ours(there.url);
    let calls = 0;
    there.step.answer = () => (calls++ === 0 ? "cut" : Response.json({ message: "no" }, { status: 401 }));
    const batch = await here.host.batches.wait((await here.submit([1, 2])).id);
    expect(await here.codes(batch.id)).toEqual({ "unknown rejected": 2 });
  });

  test("leaves no doubt about a lead that was only to be copied", async () => {
    await using there = await vendor();
    await there.fill(demoArchive, [makeLead(1)]);
    await using here = await ours(there.url);
    let calls = 0;
    there.step.answer = () => (calls++ === 0 ? "cut" : undefined);
    const batch = await here.submit([1, 2], { insert_leads: true, delete_leads: false });
    await here.host.batches.wait(batch.id);
    expect(await here.codes(batch.id)).toEqual({ done: 1, "failed missing": 1 });
  });
});

test("reports leads as missing after a call that moved nothing", async () => {
  await using there = await vendor();
  await there.fill(demoArchive, [makeLead(1)]);
  await using here = await ours(there.url);
  let refused = 0;
  there.step.answer = () =>
    refused++ === 0 ? Response.json({}, { status: 429, headers: { "retry-after": "0" } }) : undefined;
  // An inline call would not be retried.
  const operation = "vicidial.leads.dearchive";
  const request = { operation, target: "upstream", items: [1, 2], params: both, inline: false } as const;
  const batch = await here.host.batches.wait((await here.host.batches.submit(request)).id);
  expect(await here.codes(batch.id)).toEqual({ done: 1, "failed missing": 1 });
});

test("reads missing leads from quoted numbers", async () => {
  await using there = await vendor();
  await there.fill(demoArchive, [makeLead(1)]);
  await using here = await ours(there.url);
  const lead_ids = ["2", "7"];
  there.step.answer = (body) =>
    body.includes("2")
      ? Response.json({ message: "lead_ids does not exist", lead_errors: 2, lead_ids }, { status: 400 })
      : undefined;
  const batch = await here.host.batches.wait((await here.submit([1, 2, 7])).id);
  expect(await here.codes(batch.id)).toEqual({ done: 1, "failed missing": 2 });
});

describe("leads that stay in the source", () => {
  const copy = { insert_leads: true, delete_leads: false };

  test.each([
    [[], { done: 2 }],
    [[1, 2], { "skipped already_there": 2 }],
    [[2], { "unknown some_copied": 2 }],
  ])("reports copied, existing and unknown leads: the target held %j", async (duplicates, codes) => {
    await using there = await vendor();
    await there.fill(demoArchive, [makeLead(1), makeLead(2)]);
    await there.fill(
      demoLive,
      duplicates.map((id) => makeLead(id)),
    );
    await using here = await ours(there.url);
    expect(await here.codes((await here.submit([1, 2], copy)).id)).toEqual(codes);
    expect(there.asked).toHaveLength(1);
  });

  test("were overwritten, or were not", async () => {
    await using there = await vendor();
    await there.fill(demoLive, [makeLead(1, { status: "SALE" }), makeLead(2)]);
    await there.fill(demoArchive, [makeLead(1), makeLead(2)]);
    await using here = await ours(there.url);
    const update = { insert_leads: false, update_leads: true, delete_leads: false };
    for (const expected of [{ done: 1 }, { "skipped nothing_changed": 1 }]) {
      expect(await here.codes((await here.submit([1], update, "archive")).id)).toEqual(expected);
    }
  });
});

test("what the vendor cannot be told is refused, not forgotten", async () => {
  await using there = await vendor();
  await using here = await ours(there.url);
  await expect(here.submit([1], { ...both, restore_callbacks: true })).rejects.toThrow("restore_callbacks");
  await expect(here.submit([1], { ...both, update_leads: true })).rejects.toThrow("update_leads");
  await expect(here.submit([1], both, "archive")).rejects.toThrow("update_leads");
  expect(there.asked).toEqual([]);
});

test("fails with the vendor's message and hides a wrong key", async () => {
  await using there = await vendor();
  there.step.answer = () => Response.json({ message: "unable to validate api user" }, { status: 401 });
  await using here = await ours(there.url);
  const batch = await here.submit([1]);
  const { items } = await here.host.batches.items(batch.id);
  expect(items).toMatchObject([{ outcome: "failed", message: "unable to validate api user" }]);
  expect(JSON.stringify([batch, items])).not.toContain(key);
});

test("trusts a private certificate only through its CA file", async () => {
  await using there = await vendor({ tls: true });
  await there.fill(demoArchive, [makeLead(1)]);
  const folder = mkdtempSync(join(tmpdir(), "reinstate-test-"));
  const upstreamCa = join(folder, "ca.pem");
  writeFileSync(upstreamCa, selfSigned.cert);
  try {
    await using here = await ours(there.url, { upstreamCa });
    expect((await here.submit([1])).counts).toMatchObject({ done: 1 });
    await using stranger = await ours(there.url);
    expect((await stranger.submit([1])).counts.done).toBe(0);
    expect(there.asked).toHaveLength(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  [{ upstreamUrl: "https://server" }, "upstreamKey: is required with upstreamUrl"],
  [{ upstreamKey: "k" }, "upstreamUrl: is required with upstreamKey"],
  [{ upstreamCa: "/ca.pem" }, "upstreamCa: needs an upstreamUrl"],
  [{ upstreamUrl: "server", upstreamKey: "k" }, "upstreamUrl: must be an http or https URL"],
  [{ callTime: "x" }, "callTime: needs the url"],
  [{ archiveHours: "outside" }, "archiveHours: needs hours"],
  [{ leadLimit: 501 }, "leadLimit: must be a whole number from 1 to 500"],
])("the settings %j are refused", async (options, message) => {
  await using host = await createTestHost();
  await expect(createVicidial(host, options)).rejects.toThrow(message);
});
