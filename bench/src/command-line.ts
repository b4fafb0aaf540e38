import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { account, fillPromoters, idsFrom } from "./promoters.ts";
import { type Line, rate, thousands } from "./report.ts";

const main = fileURLToPath(new URL("../../apps/gateway/src/main.ts", import.meta.url));
const program = fileURLToPath(new URL("./submit-program.ts", import.meta.url));

/** Writes the peak memory of a process to standard error at its end. */
const reportMemory =
  'data:text/javascript,process.on("exit",()=>console.error("peak "+process.resourceUsage().maxRSS))';

/** Restores 200,000 promoters from a file by the command line, and as many by `batches.submit` in a program of its own. */
export async function commandLine(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const count = Math.round(200_000 * scale);
    const host = await createHost({ databaseUrl: opened.url });
    await createFirstPromoter(host);
    await host.keys.create({ vendor: "firstpromoter", account });
    await host.close();
    await using bare = await openBare(opened.url);
    await fillPromoters(bare, 2 * count);

    const submitted = await measure([program], {
      DATABASE_URL: opened.url,
      FIRST: "1",
      COUNT: String(count),
    });
    const command = await restoreFile(opened.url, idsFrom(count + 1, count));
    const size = thousands(count);
    lines.push({
      work: `restore ${size} promoters by the command line, from a file`,
      database,
      ours: rate(count / command.seconds, "ids"),
      compared: `batches.submit in a program: ${rate(count / submitted.seconds, "ids")}`,
      figure: submitted.seconds / command.seconds,
      wanted: { atLeast: 0.8 },
    });
    lines.push({
      work: `peak memory of the command line, ${size} promoters`,
      database,
      ours: `${command.megabytes.toFixed(0)} MB`,
      compared: `the program: ${submitted.megabytes.toFixed(0)} MB`,
      figure: command.megabytes / submitted.megabytes,
      wanted: { atMost: 1.2 },
    });
  }
  return lines;
}

/** Runs the command over a file of ids. */
async function restoreFile(databaseUrl: string, ids: readonly number[]): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-bench-"));
  try {
    const file = join(folder, "ids.csv");
    writeFileSync(file, `promoter_id\n${ids.join("\n")}\n`);
    const options = ["--file", file, "--account", account, "--yes", "--report", join(folder, "report.csv")];
    return await measure([main, "restore", "firstpromoter", ...options], { REINSTATE_DATABASE_URL: databaseUrl });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Measured {
  seconds: number;
  megabytes: number;
}

/** Runs a program from source, from its start to its end. */
async function measure(args: readonly string[], settings: Record<string, string>): Promise<Measured> {
  const start = performance.now();
  const child = spawn(process.execPath, ["--max-semi-space-size=8", "--import", reportMemory, ...args], {
    env: { ...process.env, ...settings },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${output}`);
  return {
    seconds: (performance.now() - start) / 1000,
    megabytes: Number(/peak (\d+)/.exec(output)?.[1]) / 1024,
  };
}
