import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/**
 * Runs the tests of attacks, faults and kills with larger numbers than `pnpm test`. Prints a table of the parts, and exits with 1 if
 * one failed. `--only fuzz,kills` runs only these parts.
 */
const { values } = parseArgs({
  options: {
    only: { type: "string" },
    /** Requests to each API on each of its databases. */
    fuzz: { type: "string", default: "100000" },
    /** Random sequences of faults between each upstream operation and its vendor. */
    faults: { type: "string", default: "60" },
    /** Ids that the command line sends to a server, and seconds for which it then loses the stream. */
    upload: { type: "string", default: "10000000" },
    lost: { type: "string", default: "30" },
    /** Workers killed with -9, and gateways stopped with SIGTERM, on each database. */
    kills: { type: "string", default: "200" },
    terms: { type: "string", default: "200" },
    /** Simulated runs of the core, each with its own seed. */
    simulations: { type: "string", default: "20000" },
    /** Killed movers of leads, killed MariaDB servers, leads moved among concurrent writers. */
    proof: { type: "string", default: "100,20,2000" },
    /** Seconds at ten times the capacity of a gateway, on each database. */
    "overload-seconds": { type: "string", default: "60" },
    /** The cluster: promoters restored and archived in turn, minutes, engine, and seconds between killed workers. */
    ids: { type: "string", default: "1000000" },
    minutes: { type: "string", default: "5" },
    engine: { type: "string", default: "pg-boss" },
    "kill-every": { type: "string", default: "3" },
  },
});

interface Part {
  name: string;
  /** The description with its numbers. */
  figure: string;
  command: string[];
  env?: Record<string, string>;
}

const vitest = (...filters: string[]) => ["vitest", "run", "--reporter=default", ...filters];
const program = (path: string, ...args: string[]) => [
  process.execPath,
  fileURLToPath(new URL(path, import.meta.url)),
  ...args,
];

const {
  fuzz,
  faults,
  upload,
  lost,
  kills,
  terms,
  simulations,
  proof,
  ids,
  minutes,
  engine,
  "kill-every": killEvery,
} = values;
const overloadSeconds = values["overload-seconds"];

const parts: Part[] = [
  {
    name: "fuzz",
    figure: `${fuzz} requests to each of 4 APIs on each of its databases`,
    command: vitest("/fuzz.test"),
    env: { FUZZ: fuzz },
  },
  { name: "tenants", figure: "every route, every kind of key", command: vitest("gateway/src/tenants.test") },
  {
    name: "faults",
    figure: `14 faults at each call, ${faults} random sequences for each vendor`,
    command: vitest("/faults.test"),
    env: { FAULTS: faults },
  },
  {
    name: "databases",
    figure: "databases stopped, killed, silent and full",
    command: vitest(
      "database-faults",
      "full-disk",
      "storage-fault",
      "silent-server",
      "server-crash",
      "database-restart",
    ),
  },
  {
    name: "upload",
    figure: `${upload} ids sent to a server in 150 MB, whose stream is lost for ${lost} s`,
    command: vitest("commands/remote.test"),
    env: { UPLOAD_IDS: upload, LOST_SECONDS: lost },
  },
  {
    name: "kills",
    figure: `${kills} workers, and as many prunes, killed on each of 2 databases`,
    command: vitest("batch-core/src/guarantees/kill.test", "ledger/prune-kill.test"),
    env: { KILLS: kills },
  },
  {
    name: "terms",
    figure: `${terms} SIGTERMs on each of 2 databases`,
    command: vitest("gateway/src/sigterm.test"),
    env: { TERMS: terms },
  },
  {
    name: "simulation",
    figure: `${simulations} simulated runs`,
    command: vitest("batch-core/src/guarantees/simulation"),
    env: { SIMULATION_SEEDS: simulations },
  },
  {
    name: "proof",
    figure: `killed movers, killed MariaDB servers, moved leads: ${proof}`,
    command: program("./vicidial-proof.ts", ...proof.split(",")),
  },
  {
    name: "overload",
    figure: `ten times the capacity for ${overloadSeconds} s on each of 2 databases`,
    command: program("./soak-overload.ts", "--seconds", overloadSeconds),
  },
  {
    name: "installs",
    figure: "each package alone by npm, pnpm and yarn, on Node 22.16, 24 and the newest",
    command: program("./soak-installs.ts"),
  },
  {
    name: "cluster",
    figure: `${ids} promoters, ${minutes} minutes, a worker killed every ${killEvery} s`,
    command: program(
      "./soak-cluster.ts",
      ...["--ids", ids, "--minutes", minutes, "--engine", engine, "--kill-every", killEvery],
    ),
  },
];

function run({ command: [file = "", ...args], env }: Part): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const cwd = fileURLToPath(new URL("../..", import.meta.url));
    spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: "inherit" })
      .once("error", reject)
      .once("exit", resolve);
  });
}

const wanted = values.only?.split(",");
const unknown = wanted?.find((name) => !parts.some((part) => part.name === name));
if (unknown !== undefined) {
  process.stderr.write(`Unknown part ${unknown}; the parts are ${parts.map(({ name }) => name).join(", ")}\n`);
  process.exit(2);
}

const rows: string[] = [];
for (const part of parts) {
  if (wanted && !wanted.includes(part.name)) continue;
  const started = performance.now();
  const status = await run(part);
  const seconds = Math.round((performance.now() - started) / 1000);
  rows.push(`| ${part.name} | ${part.figure} | ${status === 0 ? "passed" : "failed"} | ${seconds} s |`);
  if (status !== 0) process.exitCode = 1;
}
process.stdout.write(`\n| part | figures | result | time |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`);
