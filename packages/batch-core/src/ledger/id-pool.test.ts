import { expect, test } from "vitest";
import { createIdPool } from "./id-pool.ts";

/** A sequence, with the size of each draw. */
function sequence() {
  let last = 0;
  const draws: number[] = [];
  return {
    draws,
    async draw(count: number) {
      draws.push(count);
      await new Promise((resolve) => setImmediate(resolve));
      return Array.from({ length: count }, () => ++last);
    },
  };
}

test("draws single ids without gaps for infrequent calls", async () => {
  const { draw, draws } = sequence();
  const { take } = createIdPool();
  expect([await take(draw, 0), await take(draw, 5_000), await take(draw, 10_000)]).toEqual([1, 2, 3]);
  expect(draws).toEqual([1, 1, 1]);
});

test("draws blocks of ids in order for frequent calls", async () => {
  const { draw, draws } = sequence();
  const { take } = createIdPool();
  const ids: number[] = [];
  for (let now = 0; now < 40; now++) ids.push(await take(draw, now));
  expect(ids).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  expect(draws.length).toBeLessThan(8);
});

test("serves hundreds of concurrent calls with a few draws", async () => {
  const { draw, draws } = sequence();
  const { take } = createIdPool();
  const ids = await Promise.all(Array.from({ length: 300 }, () => take(draw, 1)));
  expect(new Set(ids).size).toBe(300);
  expect(draws.length).toBeLessThan(12);
});

test("drops ids that were drawn too long ago", async () => {
  const { draw } = sequence();
  const { take } = createIdPool();
  for (let now = 0; now < 3; now++) await take(draw, now);
  // Eight were drawn when there were two; six of them are left.
  expect(await take(draw, 60_000)).toBe(10);
});

test("reports a failed draw only to its own caller", async () => {
  const { draw } = sequence();
  const { take } = createIdPool();
  const broken = () => Promise.reject(new Error("gone"));
  const [first, ...others] = await Promise.allSettled([take(broken, 0), take(draw, 0), take(draw, 0)]);
  expect(first).toMatchObject({ status: "rejected", reason: new Error("gone") });
  expect(others.map((end) => end.status === "fulfilled" && end.value).toSorted()).toEqual([1, 2]);
  for (let now = 1; now < 20; now++) await take(now === 9 ? broken : draw, now).catch(() => {});
  expect(await take(draw, 20)).toBeGreaterThan(2);
});
