import { Disk } from "./disk.ts";
import { type Sabotage, type Simulated, simulate } from "./simulation.ts";

/** Number of seeds in a normal run; a soak sets `SIMULATION_SEEDS`. */
const usual = 2000;

/** Returns the seeds of one of two halves. `SIMULATION_SEED` replays a single one. */
export function listSeeds(half: 0 | 1): number[] {
  const { SIMULATION_SEED: only, SIMULATION_SEEDS: many } = process.env;
  if (only) return [Number(only)];
  return Array.from({ length: Number(many ?? usual) / 2 }, (_, index) => 2 * index + half);
}

/** Runs seeds one after the other. Throws at the first broken guarantee, with the command that replays it. */
export async function runSeeds(seeds: readonly number[]): Promise<Omit<Simulated, "complaints" | "trace">> {
  const disk = await Disk.make();
  const sums = { steps: 0, crashes: 0, freezes: 0, faults: 0, unknown: 0, items: 0 };
  for (const seed of seeds) {
    const simulated = await simulate(seed, disk);
    if (simulated.complaints.length > 0) {
      const first = simulated.complaints.slice(0, 5).join("\n  ");
      throw new Error(`Seed ${seed} (replay it alone with SIMULATION_SEED=${seed}):\n  ${first}`);
    }
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += simulated[name];
  }
  return sums;
}

/** Returns the first complaint about a sabotaged part; undefined if `limit` seeds do not detect it. */
export async function firstComplaint(sabotage: Sabotage, limit = 200): Promise<string | undefined> {
  const disk = await Disk.make();
  for (let seed = 0; seed < limit; seed++) {
    const { complaints } = await simulate(seed, disk, sabotage);
    if (complaints.length > 0) return complaints[0];
  }
  return undefined;
}
