import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { createTestHost } from "../testing/test-host.ts";
import { until } from "../testing/until.ts";
import { createReplies } from "./replies.ts";
import { createReplyStore, type ReplyStore } from "./reply-store.ts";

const request = (claim: string, key = "r1", scope = "k1") => ({ scope, key, claim });
/** Limits under which nothing is expired or abandoned. */
const patient = { forgotten: -1, abandoned: -1 };

/** The guarantees of every store of replies. Each check gets an empty store. */
const replyContract: { name: string; check(store: ReplyStore): Promise<void> }[] = [
  {
    name: "lets one of many requests claim a key",
    async check(store) {
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, n) => store.claim(request(`c${n}`), "d", 1, patient)),
      );
      expect(results.filter((result) => result === undefined)).toHaveLength(1);
      expect(results.find((result) => result !== undefined)).toEqual({ digest: "d", reply: null });
      expect(await store.claim(request("c", "r2"), "d", 1, patient)).toBeUndefined();
      expect(await store.claim(request("c", "r1", "k2"), "d", 1, patient)).toBeUndefined();
    },
  },
  {
    name: "returns a reply until it expires",
    async check(store) {
      await store.claim(request("a"), "d", 1, patient);
      await store.keep(request("a"), "done");
      expect(await store.claim(request("b"), "other", 2, patient)).toEqual({ digest: "d", reply: "done" });
      expect(await store.claim(request("b"), "d", 9, { forgotten: 1, abandoned: 9 })).toEqual({
        digest: "d",
        reply: "done",
      });
      expect(await store.claim(request("b"), "other", 9, { forgotten: 2, abandoned: 9 })).toBeUndefined();
      expect(await store.claim(request("c"), "other", 9, patient)).toEqual({ digest: "other", reply: null });
    },
  },
  {
    name: "deletes replies that were claimed before a time",
    async check(store) {
      for (const [n, key] of ["r1", "r2", "r3"].entries()) {
        await store.claim(request("a", key), "d", n, patient);
        await store.keep(request("a", key), "done");
      }
      await store.forget(2);
      expect(await store.claim(request("b", "r3"), "d", 3, patient)).toEqual({ digest: "d", reply: "done" });
      expect(await store.claim(request("b", "r2"), "d", 3, patient)).toBeUndefined();
    },
  },
  {
    name: "lets only the same request take over an abandoned claim",
    async check(store) {
      await store.claim(request("a"), "d", 1, patient);
      expect(await store.claim(request("b"), "other", 9, { forgotten: -1, abandoned: 2 })).toEqual({
        digest: "d",
        reply: null,
      });
      await store.renew(request("a"), 5);
      expect(await store.claim(request("b"), "d", 9, { forgotten: -1, abandoned: 5 })).toEqual({
        digest: "d",
        reply: null,
      });
      expect(await store.claim(request("b"), "d", 9, { forgotten: -1, abandoned: 6 })).toBeUndefined();
    },
  },
  {
    name: "ignores a request that has lost its claim",
    async check(store) {
      await store.claim(request("a"), "d", 1, patient);
      await store.claim(request("b"), "d", 9, { forgotten: -1, abandoned: 2 });
      await store.renew(request("a"), 99);
      await store.keep(request("a"), "of the first");
      await store.release(request("a"));
      expect(await store.claim(request("c"), "d", 10, patient)).toEqual({ digest: "d", reply: null });
      await store.keep(request("b"), "of the second");
      await store.release(request("b"));
      expect(await store.claim(request("c"), "d", 10, patient)).toEqual({ digest: "d", reply: "of the second" });
    },
  },
  {
    name: "makes a released key free",
    async check(store) {
      await store.claim(request("a"), "d", 1, patient);
      await store.release(request("a"));
      expect(await store.claim(request("b"), "other", 1, patient)).toBeUndefined();
    },
  },
];

const faults: [string, (store: ReplyStore) => Partial<ReplyStore>][] = [
  ["gives a key to every request", () => ({ claim: async () => undefined })],
  ["keeps no reply", () => ({ keep: async () => {} })],
  ["forgets nothing", () => ({ forget: async () => {} })],
  ["forgets everything", (store) => ({ forget: () => store.forget(Number.MAX_SAFE_INTEGER) })],
  ["renews nothing", () => ({ renew: async () => {} })],
  ["releases nothing", () => ({ release: async () => {} })],
  ["ignores the scope", (store) => ({ claim: (claim, ...rest) => store.claim({ ...claim, scope: "k" }, ...rest) })],
  [
    "keeps abandoned claims",
    (store) => ({
      claim: (claim, digest, now, { forgotten }) => store.claim(claim, digest, now, { forgotten, abandoned: -1 }),
    }),
  ],
  [
    "does not tell claims apart",
    (store) => {
      const same = <Claim extends object>(claim: Claim) => ({ ...claim, claim: "c" });
      return {
        claim: (claim, ...rest) => store.claim(same(claim), ...rest),
        keep: (claim, reply) => store.keep(same(claim), reply),
        release: (claim) => store.release(same(claim)),
        renew: (claim, now) => store.renew(same(claim), now),
      };
    },
  ],
];

describe.each(ledgerDatabases)("reply store on $name", ({ open }) => {
  test.each(replyContract)("$name", async ({ check }) => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    await check(createReplyStore(host.database));
  });

  test("renews a claim while its request runs", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    let now = 1_000_000;
    const beats: (() => void)[] = [];
    const clock = { now: () => now, sleep: () => new Promise<void>((resolve) => beats.push(resolve)) };
    const replies = createReplies({ database: host.database, clock }, { windowMs: 86_400_000 });
    const key = { scope: "k1", key: "r1", digest: "d" };
    let finish = (_: string) => {};
    const work = new Promise<string>((resolve) => {
      finish = resolve;
    });
    const readClaimTime = async () =>
      (
        await host.database
          .tables<{ reinstate_replies: { claimed_at: number } }>()
          .selectFrom("reinstate_replies")
          .select("claimed_at")
          .executeTakeFirst()
      )?.claimed_at;
    const first = replies.once(key, () => work);
    for (let minute = 0; minute < 5; minute++) {
      const beat = await until(() => beats.shift());
      now += 59_000;
      beat();
      await until(async () => (await readClaimTime()) === now);
      await expect(replies.once(key, async () => "twice")).rejects.toMatchObject({ code: "idempotency_running" });
    }
    // To the second request, the first process looks dead; the first finishes too late.
    now += 60_001;
    const second = await replies.once(key, async () => "of the second");
    finish("of the first");
    expect([(await first).reply, second]).toEqual(["of the first", { reply: "of the second", replayed: false }]);
    expect(await replies.once(key, async () => "thrice")).toEqual({ reply: "of the second", replayed: true });
  });

  test("leaves no trace of a request that throws", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const replies = createReplies(host, { windowMs: 86_400_000 });
    const key = { scope: "k1", key: "r1", digest: "d" };
    await expect(replies.once(key, () => Promise.reject(new Error("rejected")))).rejects.toThrow("rejected");
    expect(await replies.once({ ...key, digest: "other" }, async () => "done")).toEqual({
      reply: "done",
      replayed: false,
    });
    await expect(replies.once(key, async () => "twice")).rejects.toMatchObject({ code: "idempotency_mismatch" });
  });
});

test.each(faults)("contract catches a store that %s", async (_, fault) => {
  const results = await Promise.allSettled(
    replyContract.map(async ({ check }) => {
      await using host = await createTestHost();
      const store = createReplyStore(host.database);
      await check({ ...store, ...fault(store) });
    }),
  );
  expect(results.filter(({ status }) => status === "rejected").length).toBeGreaterThan(0);
});
