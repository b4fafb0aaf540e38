import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

// The long forms of what the test command does in short. Arguments go to the last part, four gateways under load.
const root = fileURLToPath(new URL("../..", import.meta.url));
const longForms = { KILLS: "200", SIMULATION_SEEDS: "20000" };
const tests = ["packages/batch-core/src/kill.test.ts", "packages/batch-core/src/simulation"];

const parts: [string, ...string[]][] = [
  ["vitest", "run", ...tests],
  [process.execPath, "bench/src/soak.ts", ...process.argv.slice(2)],
];
const failed = parts.filter(
  ([command, ...args]) =>
    spawnSync(command, args, { cwd: root, stdio: "inherit", env: { ...longForms, ...process.env } }).status !== 0,
);
process.exit(failed.length > 0 ? 1 : 0);
