import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, type HostOptions, systemClock } from "@reinstate/batch-core";
import { createTestHost, until } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";
import { createFirstPromoter } from "../index.ts";
import { readOptions } from "../options.ts";
import { createWebhookOutbox } from "./outbox.ts";
import { parseSecret, signedHeaders } from "./signature.ts";
import { createWebhook, nextPollAt, retryScheduleMs } from "./webhook.ts";

const key = Buffer.from("a key of thirty-two bytes, really");
const webhookSecret = `whsec_${key.toString("base64")}`;

/** A receiver on a real port; `status` is its response. */
async function receiver(status = 204) {
  const got: { headers: IncomingHttpHeaders; body: string }[] = [];
  const state = { status };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    got.push({ headers: request.headers, body });
    // 0: the receiver reads the message and never responds.
    if (state.status > 0) response.writeHead(state.status).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    got,
    state,
    webhookUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

test("signs the example of the specification", () => {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const headers = signedHeaders(
    parseSecret(secret)!,
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1614265330,
    '{"test": 2432232314}',
  );
  expect(headers["webhook-signature"]).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  for (const bad of ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ="]) {
    expect(parseSecret(bad)).toBeUndefined();
  }
});

test("requires URL and secret together", () => {
  expect(() => readOptions({ webhookUrl: "https://example.com" })).toThrow(
    "webhookSecret: is required with webhookUrl",
  );
  expect(() => readOptions({ webhookSecret })).toThrow("webhookUrl: is required with webhookSecret");
  expect(() => readOptions({ webhookUrl: "ftp://example.com", webhookSecret })).toThrow("webhookUrl: ");
  expect(() => readOptions({ webhookUrl: "https://example.com", webhookSecret: "x" })).toThrow("webhookSecret: ");
});

describe.each(ledgerDatabases)("the webhook on $name", ({ open }) => {
  test("receives each finished batch once, signed, without dry runs", async () => {
    await using database = await open();
    await using hook = await receiver();
    await using server = await start(database.url, { webhookUrl: hook.webhookUrl, webhookSecret });
    await server.call("POST", "/promoters/restore?dry_run=true", { ids: [1] });
    const one = await server.act("restore", { ids: [1, 950] });
    const many = await server.act("restore", { ids: [2, 3, 4, 5, 6, 7] });
    const refused = await server.act("restore", { ids: [null] });
    await until(() => hook.got.length >= 3);
    const byId = new Map(hook.got.map((message) => [message.headers["webhook-id"], message]));
    expect([...byId.keys()].sort()).toEqual([one, many, refused].map(({ id }) => `batch_${id}_0`).sort());
    const { headers, body } = byId.get(`batch_${many.id}_0`)!;
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    expect(headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    expect(JSON.parse(body)).toEqual({
      type: "batch_process.completed",
      timestamp: expect.stringMatching(/Z$/),
      data: { account_id: "acc_demo", batch_process: many },
    });
  });

  test("receives failed batches of every client, without dry runs", async () => {
    await using database = await open();
    await using hook = await receiver();
    await using server = await start(database.url, { webhookUrl: hook.webhookUrl, webhookSecret });
    const db = server.host.database.tables();
    // Every chunk fails without this table.
    await sql`alter table firstpromoter_promoters rename to firstpromoter_promoters_away`.execute(db);
    const submit = (dryRun: boolean) =>
      server.host.batches.submit({
        operation: "firstpromoter.promoters.restore",
        account: "acc_demo",
        inline: false,
        dryRun,
        items: Array.from({ length: 1_200 }, (_, index) => index + 1),
      });
    const [tried, made] = [await submit(true), await submit(false)];
    for (const { id } of [tried, made]) expect((await server.host.batches.wait(id)).status).toBe("failed");
    await until(async () => {
      const { rows } = await sql<{ due_at: number | null }>`select due_at from firstpromoter_notices`.execute(db);
      return hook.got.length > 0 && rows.length === 1 && rows[0]?.due_at === null;
    });
    expect(hook.got.map(({ headers }) => headers["webhook-id"])).toEqual([`batch_${made.id}_0`]);
    expect(JSON.parse(hook.got[0]!.body)).toMatchObject({
      type: "batch_process.failed",
      data: { account_id: "acc_demo", batch_process: { id: made.id, status: "failed", failed_count: 1_200 } },
    });
  });

  test("retries with the same id and body across processes", async () => {
    await using database = await open();
    await using hook = await receiver(500);
    const clock: Clock = { now: () => time, sleep: systemClock.sleep };
    let time = Date.UTC(2026, 0, 1);
    const given = { webhookUrl: hook.webhookUrl, webhookSecret };
    {
      // This process only stores the entry, and dies before it polls.
      await using first = await createTestHost({ databaseUrl: database.url, clock });
      const { store, closing } = await createFirstPromoter(first, given);
      await closing();
      const [id] = await store.create("a", [{ email: "a@example.com", archived_at: 1 }], 1);
      await first.batches.submit({ operation: "firstpromoter.promoters.restore", account: "a", items: [id] });
    }
    const another = async (work: (deliver: () => Promise<unknown>) => Promise<void>) => {
      await using host = await createTestHost({ databaseUrl: database.url, clock });
      await (await createFirstPromoter(host)).closing();
      const webhook = createWebhook(host, createWebhookOutbox(host.database), readOptions(given))!;
      await work(() => webhook.deliverDue());
    };
    // The first process leased the entry and may have sent it, so its lease must expire first.
    time += 60_000;
    await another(async (deliver) => {
      await deliver();
      const before = hook.got.length;
      await deliver();
      expect(hook.got).toHaveLength(before);
      for (const pause of retryScheduleMs.slice(0, 3)) {
        time += pause - 1;
        await deliver();
        const sent = hook.got.length;
        time += 1;
        await Promise.all([deliver(), deliver()]);
        expect(hook.got).toHaveLength(sent + 1);
      }
    });
    hook.state.status = 200;
    await another(async (deliver) => {
      time += 2 * 3_600_000;
      await deliver();
      const sent = hook.got.length;
      time += 24 * 3_600_000;
      await deliver();
      expect(hook.got).toHaveLength(sent);
    });
    expect(new Set(hook.got.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(new Set(hook.got.map(({ body }) => body)).size).toBe(1);
    expect(hook.got.length).toBeGreaterThanOrEqual(5);
  });

  test("sends the stored body again after a crash", async () => {
    await using database = await open();
    await using hook = await receiver(0);
    const clock: Clock = { now: () => time, sleep: systemClock.sleep };
    let time = Date.UTC(2026, 0, 1);
    await using host = await createTestHost({ databaseUrl: database.url, clock });
    const given = { webhookUrl: hook.webhookUrl, webhookSecret };
    await (await createFirstPromoter(host, given)).closing();
    const process = () => createWebhook(host, createWebhookOutbox(host.database), readOptions(given))!;
    const first = process();
    await host.keys.create({ vendor: "firstpromoter", account: "a" });
    const submission = { operation: "firstpromoter.promoters.restore", account: "a", items: [1] };
    const { id } = await host.batches.submit(submission);
    const delivering = first.deliverDue();
    await until(() => hook.got.length === 1);
    await first.stop();
    await delivering;
    await host.batches.retry(id);
    hook.state.status = 200;
    time += 60_000;
    await process().deliverDue();
    const told = hook.got.filter(({ headers }) => headers["webhook-id"] === `batch_${id}_0`);
    expect(told).toHaveLength(2);
    expect(told[1]?.body).toBe(told[0]?.body);
  });

  /** Starts a server whose webhook runs only on request, with a clock that moves only when a test sets it. */
  async function atHand(url: string, status: () => number, given: Partial<HostOptions> = {}) {
    const clock = { time: Date.UTC(2026, 0, 1), now: () => clock.time, sleep: systemClock.sleep };
    const options = { webhookUrl: "https://hook.example/", webhookSecret };
    const server = await start(url, options, { clock, ...given });
    await server.instance.closing();
    const { host } = server;
    const sent: string[] = [];
    const webhook = createWebhook(host, createWebhookOutbox(host.database), readOptions(options), async (_, init) => {
      sent.push(new Headers(init.headers).get("webhook-id")!);
      return new Response(null, { status: status() });
    })!;
    const notices = async () => {
      const { rows } = await sql<{ id: number; generation: number; due_at: number | null }>`
        select batch_id as id, generation, due_at from firstpromoter_notices order by batch_id, generation`.execute(
        host.database.tables(),
      );
      return rows;
    };
    const restore = (items: number[], more = {}) =>
      host.batches.submit({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items, ...more });
    return { host, clock, sent, webhook, notices, restore, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  }

  test("stops after the last attempt, or after a 410", async () => {
    await using database = await open();
    let status = 410;
    await using us = await atHand(database.url, () => status);
    await us.restore([1]);
    await us.webhook.deliverDue();
    us.clock.time += 48 * 3_600_000;
    await us.webhook.deliverDue();
    expect(us.sent).toHaveLength(1);
    status = 503;
    await us.restore([2]);
    for (let attempt = 0; attempt < 12; attempt++) {
      await us.webhook.deliverDue();
      us.clock.time += 48 * 3_600_000;
    }
    expect(us.sent).toHaveLength(1 + 1 + retryScheduleMs.length);
  });

  test("stores an entry with every batch and retry", async () => {
    await using database = await open();
    // No engine runs here.
    await using us = await atHand(database.url, () => 204, { role: "web" });
    const many = Array.from({ length: 6 }, (_, index) => index + 1);
    const pending = await us.restore(many, { inline: false });
    const refused = await us.restore([], { refused: [{ item: null, code: "invalid_id", message: "null" }] });
    const failed = await us.restore([5_000_000]);
    await us.restore(many, { inline: false, dryRun: true });
    await us.host.batches.retry(failed.id);
    const idempotency = { scope: "s", key: "k", digest: "d" };
    const keyed = await us.restore([7], { idempotency });
    await us.restore([7], { idempotency });
    expect((await us.notices()).map(({ id, generation }) => [id, generation])).toEqual([
      ...[pending, refused, failed].map(({ id }) => [id, 0]),
      [failed.id, 1],
      [keyed.id, 0],
    ]);
  });

  test("reports stopped batches only after they end", async () => {
    await using database = await open();
    await using us = await atHand(database.url, () => 204, { role: "web" });
    const stopped = [];
    for (let turn = 0; turn < 50; turn++) {
      const { id } = await us.restore([1, 2], { inline: false });
      await us.host.batches.stop(id);
      stopped.push(id);
    }
    const { id } = await us.restore([3]);
    while (await us.webhook.deliverDue());
    expect(us.sent).toEqual([`batch_${id}_0`]);
    const before = await us.notices();
    await us.webhook.deliverDue();
    expect(await us.notices()).toEqual(before);
    // Runs the batch as another process would.
    await sql`update reinstate_batches set status = 'completed' where id = ${stopped[0]}`.execute(
      us.host.database.tables(),
    );
    us.clock.time += 60_000;
    while (await us.webhook.deliverDue());
    expect(us.sent).toEqual([`batch_${id}_0`, `batch_${stopped[0]}_0`]);
  });

  test("purges delivered entries after a week, never due ones", async () => {
    await using database = await open();
    await using us = await atHand(database.url, () => 204, { role: "web" });
    await us.restore([1]);
    const waits = await us.restore([1, 2], { inline: false });
    await us.webhook.deliverDue();
    expect(await us.notices()).toHaveLength(2);
    us.clock.time += 8 * 86_400_000;
    await us.webhook.deliverDue();
    expect((await us.notices()).map(({ id }) => id)).toEqual([waits.id]);
  });
});

test("polls a long batch less often", () => {
  const pause = (age: number, body: string | null = null) => nextPollAt({ body, announcedAt: 0 }, age) - age;
  expect([0, 5_000, 80_000, 3_600_000].map((age) => pause(age))).toEqual([1_000, 1_000, 10_000, 60_000]);
  expect(pause(0, "{}")).toBe(60_000);
});
