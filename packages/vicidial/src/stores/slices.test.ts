import { expect, test } from "vitest";
import { createSlices } from "./slices.ts";

/** The sizes of slices on a database that takes so long for a lead. */
function sizes(msPerLead: number[], most = 500, lockMs = 100): number[] {
  const slices = createSlices(most);
  return msPerLead.map((ms) => {
    const size = slices.size(lockMs, 10_000);
    slices.took(size, size * ms);
    return size;
  });
}

test("slices grow while the lock is held for less than it may be, twice as large each time", () => {
  expect(sizes([0.1, 0.1, 0.1, 0.1, 0.1, 0.1])).toEqual([50, 100, 200, 400, 500, 500]);
  expect(sizes([0.5, 0.5, 0.5, 0.5])).toEqual([50, 100, 200, 200]);
  expect(sizes([0.1, 0.1, 0.1], 80)).toEqual([50, 80, 80]);
});

test("a slow slice makes the next ones small, until it is forgotten", () => {
  expect(sizes([0.5, 0.5, 2, 0.5, 0.5, 0.5, 0.5, 0.5])).toEqual([50, 100, 200, 50, 50, 50, 50, 100]);
  expect(sizes([500, 500])).toEqual([50, 1]);
});

test("who may hold the lock for half as long gets half as many", () => {
  const slices = createSlices(500);
  for (let turn = 0; turn < 3; turn++) slices.took(slices.size(100, 10_000), slices.size(100, 10_000) * 0.5);
  expect([slices.size(100, 10_000), slices.size(50, 10_000)]).toEqual([200, 100]);
});

test("a few leads more are taken along, up to the limit", () => {
  const slices = createSlices(110);
  expect([60, 61, 20].map((left) => slices.size(100, left))).toEqual([60, 50, 20]);
  slices.took(slices.size(100, 1000), 1);
  expect([110, 111].map((left) => slices.size(100, left))).toEqual([110, 100]);
});

test("what a few leads take says nothing, unless it is too long", () => {
  const slices = createSlices(500);
  slices.size(100, 10_000);
  slices.took(1, 90);
  expect(slices.size(100, 10_000)).toBe(50);
  slices.took(1, 200);
  expect(slices.size(100, 10_000)).toBe(1);
});
