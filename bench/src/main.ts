import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findMariadb, findPostgres } from "@reinstate/tooling/services";
import { altcraft } from "./altcraft.ts";
import { drawChart } from "./chart.ts";
import { chunks } from "./chunks.ts";
import { commandLine } from "./command-line.ts";
import { firstpromoter } from "./firstpromoter.ts";
import { jobs } from "./jobs.ts";
import { describeMachine } from "./machine.ts";
import { holds, type Line, table } from "./report.ts";
import { restore } from "./restore.ts";
import { quickScale } from "./scale.ts";
import { scrapes } from "./scrapes.ts";
import { stream } from "./stream.ts";
import { tiny } from "./tiny.ts";
import { vendorLoop } from "./vendor-loop.ts";
import { vicidial } from "./vicidial.ts";

/** The benchmarks by name. `scale`: the share of the full size. */
const benchmarks: Record<string, (scale: number) => Promise<Line[]>> = {
  restore,
  jobs,
  tiny,
  stream,
  chunks,
  firstpromoter,
  altcraft,
  "vendor-loop": vendorLoop,
  vicidial,
  "command-line": commandLine,
  scrapes,
};

const usage = `usage: bench [--small | --quick] [${Object.keys(benchmarks).join("] [")}]

  --small   a tenth of the size
  --quick   a thousandth of the size without repeats, to check that each benchmark runs; targets are not judged

Without names, all run, and bench/RESULTS.md and its chart are written.`;

const { values, positionals } = parseArgs({
  options: { small: { type: "boolean", default: false }, quick: { type: "boolean", default: false } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !Object.hasOwn(benchmarks, name));
if (unknown !== undefined) {
  process.stderr.write(`Unknown benchmark "${unknown}"\n${usage}\n`);
  process.exit(2);
}
const scale = values.quick ? quickScale : values.small ? 0.1 : 1;

const [postgres, mariadb] = [await findPostgres(), await findMariadb()];
process.env.TEST_POSTGRES_URL = postgres.url;
process.env.TEST_MARIADB_URL = mariadb.url;
try {
  const lines: Line[] = [];
  for (const [name, run] of Object.entries(benchmarks)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    process.stderr.write(`${name} …\n`);
    lines.push(...(await run(scale)));
  }
  process.stdout.write(`${table(lines)}\n`);
  if (!values.quick) {
    if (positionals.length === 0) await writeResults(lines);
    if (!lines.every(holds)) process.exitCode = 1;
  }
} finally {
  postgres.stop();
  mariadb.stop();
}

/** Writes the results for the repository: the table with its machine, and the chart. */
async function writeResults(lines: readonly Line[]): Promise<void> {
  const place = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
  const size = scale === 1 ? "full size" : `${scale} of the full size`;
  const machine = await describeMachine(postgres.url, mariadb.url);
  const text = `# Benchmark results

Written by \`npx -y pnpm@10.34.8 bench\` (${size}) on ${new Date().toISOString().slice(0, 10)}. Each line compares two sides within one run, so read the
ratios. A rate depends on the machine.

${machine.map(([name, value]) => `- ${name}: ${value}`).join("\n")}

${table(lines)}
`;
  writeFileSync(place("RESULTS.md"), text);
  writeFileSync(place("results.svg"), drawChart(lines));
}
