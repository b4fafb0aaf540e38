import { describe, expect, test } from "vitest";
import { toClaimedChunk } from "./claim-chunks.ts";

const row = {
  generation: 1,
  seq: 2,
  codec: "integers" as const,
  packed: new Uint8Array([1]),
  item_count: 1,
  attempts: 0,
  state: "waiting" as const,
  origin_generation: null,
  origin_seq: null,
};

describe("toClaimedChunk", () => {
  test("counts the attempt that begins", () => {
    expect(toClaimedChunk(7, row)).toMatchObject({ batchId: 7, count: 1, attempt: 1, origin: undefined });
  });

  test.each([
    ["waiting", false],
    ["interrupted", true],
    ["claimed", true],
  ] as const)("marks the effects of a %s chunk as unknown: %s", (state, interrupted) => {
    expect(toClaimedChunk(7, { ...row, state }).interrupted).toBe(interrupted);
  });

  test("names the chunk under which the items were sent", () => {
    expect(toClaimedChunk(7, { ...row, origin_generation: 0, origin_seq: 5 }).origin).toEqual({
      generation: 0,
      seq: 5,
    });
  });
});
