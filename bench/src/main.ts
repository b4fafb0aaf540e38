import { parseArgs } from "node:util";
import { findMariadb, findPostgres } from "@reinstate/tooling/services";
import { altcraft } from "./altcraft.ts";
import { chunks } from "./chunks.ts";
import { commandLine } from "./command-line.ts";
import { firstpromoter } from "./firstpromoter.ts";
import { jobs } from "./jobs.ts";
import { holds, type Line, table } from "./report.ts";
import { restore } from "./restore.ts";
import { stream } from "./stream.ts";
import { tiny } from "./tiny.ts";
import { vicidial } from "./vicidial.ts";

/** The benchmarks by name. `scale` is 1, or 0.1 with `--small`. */
const benchmarks: Record<string, (scale: number) => Promise<Line[]>> = {
  restore,
  jobs,
  tiny,
  stream,
  chunks,
  firstpromoter,
  altcraft,
  vicidial,
  "command-line": commandLine,
};

const usage = `usage: bench [--small] [${Object.keys(benchmarks).join("] [")}]`;

const { values, positionals } = parseArgs({
  options: { small: { type: "boolean", default: false } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !Object.hasOwn(benchmarks, name));
if (unknown !== undefined) {
  process.stderr.write(`Unknown benchmark "${unknown}"\n${usage}\n`);
  process.exit(2);
}

const [postgres, mariadb] = [await findPostgres(), await findMariadb()];
process.env.TEST_POSTGRES_URL = postgres.url;
process.env.TEST_MARIADB_URL = mariadb.url;
try {
  const lines: Line[] = [];
  for (const [name, run] of Object.entries(benchmarks)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    process.stderr.write(`${name} …\n`);
    lines.push(...(await run(values.small ? 0.1 : 1)));
  }
  process.stdout.write(`${table(lines)}\n`);
  if (!lines.every(holds)) process.exitCode = 1;
} finally {
  postgres.stop();
  mariadb.stop();
}
