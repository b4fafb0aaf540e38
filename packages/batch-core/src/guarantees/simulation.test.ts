import { expect, test } from "vitest";
import { Disk } from "../testing/simulation/disk.ts";
import { firstComplaint, listSeeds, runSeeds } from "../testing/simulation/seeds.ts";
import { type Sabotage, simulate } from "../testing/simulation/simulation.ts";

/** For a soak of many seeds. */
const patience = 24 * 3_600_000;

test("gives every item one outcome under faults (even seeds)", {
  timeout: patience,
}, async () => {
  const sums = await runSeeds(listSeeds(0));
  // A simulation in which nothing goes wrong would prove nothing.
  if (!process.env.SIMULATION_SEED) {
    for (const [name, sum] of Object.entries(sums)) expect(sum, name).toBeGreaterThan(100);
  }
});

test("a seed gives the same run twice", async () => {
  const disk = await Disk.make();
  const first = [await simulate(7, disk), await simulate(8, disk)];
  const second = [await simulate(7, disk), await simulate(8, await Disk.make())];
  expect(second).toEqual(first);
  expect(first[0]?.trace).not.toBe(first[1]?.trace);
});

const broken: [string, Sabotage, RegExp][] = [
  [
    "an interrupted chunk is taken for a new one",
    {
      ledger: (ledger) => ({
        async claim(...args) {
          const chunk = await ledger.claim(...args);
          return chunk && "seq" in chunk ? { ...chunk, interrupted: false } : chunk;
        },
      }),
    },
    /took effect 2 times/,
  ],
  [
    "a vendor's call is said to be repeatable and is not",
    { operations: (all) => all.map((one) => ({ ...one, repeatable: true })) },
    /took effect 2 times/,
  ],
  [
    "any worker can finish a chunk",
    {
      ledger: (ledger) => ({
        finishChunk: async (chunk, settlement, now, by) =>
          (await ledger.finishChunk(chunk, settlement, now, by)) || true,
        claim: (id, worker, now, until, admit) => ledger.claim(id, worker, now + 1e9, until, admit),
      }),
    },
    /took effect/,
  ],
  [
    "the last chunk is forgotten",
    {
      ledger: (ledger) => ({
        async accept(batch, chunks, ...rest) {
          const stored = [];
          for await (const chunk of chunks) stored.push(chunk);
          return ledger.accept(batch, stored.length > 1 ? stored.slice(0, -1) : stored, ...rest);
        },
      }),
    },
    /the items .* are told of|counts add up/,
  ],
  [
    "items that are run again are told of twice",
    {
      ledger: (ledger) => ({
        readChunks: async (...args) => (await ledger.readChunks(...args)).map((chunk) => ({ ...chunk, retries: [] })),
      }),
    },
    /are told of/,
  ],
  ["no worker closes a batch", { ledger: () => ({ closeBatch: async () => false }) }, /no end within/],
  [
    "a key is made twice",
    { ledger: () => ({ insertIdempotencyKey: async () => undefined, findReplay: async () => undefined }) },
    /keys made/,
  ],
];

test.each(broken)("the simulation sees that %s", async (_, sabotage, complaint) => {
  expect(await firstComplaint(sabotage)).toMatch(complaint);
});
