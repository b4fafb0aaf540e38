import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { createTestClock, createTestHost, type TestHost } from "../testing/index.ts";
import { double } from "../testing/test-api.ts";

const content = "a".repeat(64);
const day = 86_400_000;
const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const batch = (items: number, more: object = {}) => ({ operation: double.name, items: range(items), content, ...more });

describe.each(ledgerDatabases)("content of a batch on $name", ({ open }) => {
  /** Starts processes on one database. */
  async function start(processes = 1) {
    const database = await open();
    const clock = createTestClock();
    const hosts: TestHost[] = [];
    for (let index = 0; index < processes; index++) {
      const host = await createTestHost({ databaseUrl: database.url, clock, role: "web" });
      host.register(double, { ...double, name: "test.rows.shared", groupCommit: true });
      hosts.push(host);
    }
    return {
      clock,
      hosts,
      batches: (hosts[0] as TestHost).batches,
      async [Symbol.asyncDispose]() {
        for (const host of hosts) await host.close();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("rejects the same content for seven days", async () => {
    await using place = await start();
    const { batches, clock } = place;
    const { id } = await batches.submit(batch(300));
    const rejected = { code: "duplicate_content", batchId: id, message: expect.stringContaining(`Batch ${id} has`) };
    await expect(batches.submit(batch(2))).rejects.toMatchObject(rejected);
    clock.advance(7 * day);
    await expect(batches.submit(batch(300))).rejects.toMatchObject(rejected);
    clock.advance(1);
    expect(await batches.findContent(content, { since: clock.now() - 7 * day })).toBeUndefined();
    const second = await batches.submit(batch(300));
    expect(await batches.findContent(content, { since: 0 })).toEqual(second);
    expect(await batches.list({ limit: 9 })).toHaveLength(2);
  });

  test("accepts the same content again on purpose", async () => {
    await using place = await start();
    const { batches } = place;
    await batches.submit(batch(2));
    const again = await batches.submit(batch(2, { again: true }));
    await expect(batches.submit(batch(2))).rejects.toMatchObject({ batchId: again.id });
    await batches.submit(batch(2, { content: "b".repeat(64) }));
    for (let count = 0; count < 2; count++) await batches.submit(batch(2, { content: undefined }));
    expect(await batches.list({ limit: 9 })).toHaveLength(5);
  });

  test("ignores dry runs", async () => {
    await using place = await start();
    const { batches } = place;
    for (let count = 0; count < 2; count++) await batches.submit(batch(2, { dryRun: true }));
    expect(await batches.findContent(content, { since: 0 })).toBeUndefined();
    const real = await batches.submit(batch(2));
    await batches.submit(batch(2, { dryRun: true }));
    expect((await batches.findContent(content, { since: 0 }))?.id).toBe(real.id);
  });

  test("returns the first response to an idempotency key", async () => {
    await using place = await start();
    const { batches } = place;
    const idempotency = { scope: "s", key: "k", digest: "d" };
    const [first, second] = await Promise.all([
      batches.submit(batch(2, { idempotency })),
      batches.submit(batch(2, { idempotency })),
    ]);
    expect(second?.id).toBe(first?.id);
    expect(await batches.list({ limit: 9 })).toHaveLength(1);
  });

  test.each(["A".repeat(64), "a".repeat(63), ""])("rejects the digest %j", async (content) => {
    await using place = await start();
    await expect(place.batches.submit(batch(2, { content }))).rejects.toMatchObject({
      code: "invalid_request",
      issues: [{ path: "content", message: "must be a SHA-256 digest of 64 lower-case hexadecimal digits" }],
    });
  });

  test.each([
    ["inline", double.name, 2],
    ["queued", double.name, 300],
    ["in a shared transaction", "test.rows.shared", 2],
  ])("ends with one batch of two processes at once, %s", async (_, operation, items) => {
    await using place = await start(2);
    for (let round = 0; round < 5; round++) {
      const content = String(round).repeat(64);
      const submitted = await Promise.allSettled(
        [...place.hosts, ...place.hosts].map(({ batches }) => batches.submit(batch(items, { operation, content }))),
      );
      const accepted = submitted.flatMap((result) => (result.status === "fulfilled" ? [result.value.id] : []));
      const rejected = submitted.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
      expect(accepted).toHaveLength(1);
      for (const error of rejected) expect(error).toMatchObject({ code: "duplicate_content", batchId: accepted[0] });
    }
    expect(await place.batches.list({ limit: 50 })).toHaveLength(5);
  });
});
