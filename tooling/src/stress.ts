import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

// Runs the test command where it has to share the machine: a test that depends on speed fails here and nowhere else.
const root = fileURLToPath(new URL("../..", import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** How many runs. */
    times: { type: "string", default: "1" },
    /** How many processes burn a core and write to the disk meanwhile. */
    burners: { type: "string", default: "2" },
    /** Whether the tests share one core, by taskset, with no burner beside them. */
    "one-core": { type: "boolean", default: false },
  },
});

/** A program that hashes without end and now and then waits for what it wrote to reach the disk. */
const burner = `
  const { createHash } = require("node:crypto");
  const { closeSync, fsyncSync, openSync, writeSync } = require("node:fs");
  const block = Buffer.alloc(1 << 20, 1);
  const parent = process.ppid;
  for (const file = openSync(process.argv[1], "w"); process.ppid === parent; ) {
    const end = Date.now() + 200;
    while (Date.now() < end) createHash("sha256").update(block).digest();
    for (let part = 0; part < 8; part++) writeSync(file, block, 0, block.length, part * block.length);
    fsyncSync(file);
  }`;

const folder = mkdtempSync(join(tmpdir(), "reinstate-stress-"));
const burners = Array.from({ length: values["one-core"] ? 0 : Number(values.burners) }, (_, index) =>
  spawn(process.execPath, ["-e", burner, join(folder, `${index}`)], { stdio: "inherit" }),
);
const runs: string[] = [];
let failed = 0;
try {
  const test = [process.execPath, "tooling/src/test.ts", ...positionals];
  const [command = "", ...args] = values["one-core"] ? ["taskset", "--cpu-list", "0", ...test] : test;
  for (let run = 1; run <= Number(values.times); run++) {
    const began = performance.now();
    const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
    if (status !== 0) failed++;
    const minutes = ((performance.now() - began) / 60_000).toFixed(1);
    runs.push(`run ${run}: ${status === 0 ? "passed" : "FAILED"} in ${minutes} minutes`);
  }
} finally {
  for (const burner of burners) burner.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`\n${runs.join("\n")}\n`);
process.exit(failed > 0 ? 1 : 0);
