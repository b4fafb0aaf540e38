import { expect, test } from "vitest";
import { listSeeds, runSeeds } from "../testing/simulation/seeds.ts";

// The second half of the seeds, in a file of its own so that it runs beside the first.
test("gives every item one outcome under faults (odd seeds)", {
  timeout: 24 * 3_600_000,
}, async () => {
  expect((await runSeeds(listSeeds(1))).items).toBeGreaterThan(0);
});
