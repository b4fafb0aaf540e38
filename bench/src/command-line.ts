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

/** Writes the peak memory of a process to standard error at its end. */
const reportMemory =
  'data:text/javascript,process.on("exit",()=>console.error("peak "+process.resourceUsage().maxRSS))';

/** Restores 200,000 promoters from a file by the command line, and as many by `host.batches.submit` in a program. */
export async function commandLine(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const count = Math.round(200_000 * scale);
    const host = await createHost({ databaseUrl: opened.url });
    await createFirstPromoter(host);
    await host.keys.create({ vendor: "firstpromoter", account });
    await using bare = await openBare(opened.url);
    await fillPromoters(bare, 2 * count);

    const operation = "firstpromoter.promoters.restore";
    const start = performance.now();
    const { id } = await host.batches.submit({ operation, account, items: idsFrom(1, count), inline: false });
    await host.batches.wait(id);
    const program = (performance.now() - start) / 1000;
    await host.close();

    const command = await restoreFile(opened.url, idsFrom(count + 1, count));
    const size = thousands(count);
    lines.push({
      work: `restore ${size} promoters by the command line, from a file, without the start of Node`,
      database,
      ours: rate(count / command.seconds, "ids"),
      compared: `batches.submit: ${rate(count / program, "ids")}`,
      figure: program / command.seconds,
      wanted: { atLeast: 0.8 },
    });
    lines.push({
      work: `peak memory of the command line, ${size} promoters`,
      database,
      ours: `${command.megabytes.toFixed(0)} MB`,
      compared: "",
      figure: command.megabytes,
      unit: " MB",
      wanted: { atMost: 150 },
    });
  }
  return lines;
}

/** Runs the command over a file of ids. The time begins with the first line of its output. */
async function restoreFile(
  databaseUrl: string,
  ids: readonly number[],
): Promise<{ seconds: number; megabytes: number }> {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-bench-"));
  try {
    writeFileSync(join(folder, "ids.csv"), `promoter_id\n${ids.join("\n")}\n`);
    const options = ["--file", "ids.csv", "--account", account, "--yes"];
    const child = spawn(
      process.execPath,
      ["--max-semi-space-size=8", "--import", reportMemory, main, "restore", "firstpromoter", ...options],
      {
        cwd: folder,
        env: { ...process.env, REINSTATE_DATABASE_URL: databaseUrl },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    let output = "";
    let begunAt = 0;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      begunAt ||= performance.now();
      output += text;
    });
    const [status] = (await once(child, "close")) as [number | null];
    if (status !== 0) throw new Error(`The command ended with ${status}: ${output}`);
    const seconds = (performance.now() - begunAt) / 1000;
    return { seconds, megabytes: Number(/peak (\d+)/.exec(output)?.[1]) / 1024 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
