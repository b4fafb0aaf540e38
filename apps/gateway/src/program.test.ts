import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "@reinstate/batch-core/testing";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { vendors } from "./all-vendors.ts";
import { exitMeanings } from "./cli/terminal/exit-statuses.ts";
import { createProgram } from "./program.ts";
import { openWorkplace, runCommand } from "./testing/command-line.ts";
import { environment, temporaryFolder } from "./testing/gateway-process.ts";

const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const hook = new URL("./testing/module-count.ts", import.meta.url).href;

/** Runs the command from source, and returns its output with the modules that it loaded. */
function runFromSource(args: readonly string[], folder: string) {
  const MODULES = join(folder, "modules");
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", hook, main, ...args], {
    env: environment({ MODULES }),
    cwd: folder,
    encoding: "utf8",
  });
  return { status, out: stdout, err: stderr, modules: readFileSync(MODULES, "utf8").split("\n") };
}

/** The modules that take long to load: of databases, schemas, routers, logs and the core. */
const isSlow = (url: string) =>
  /\/(kysely|pg|mysql2|hono|zod|pino|batch-core|firstpromoter|altcraft|vicidial)\//.test(url);

/** All commands below one, with their names. */
const listCommands = (command: Command, name = "reinstate"): [name: string, command: Command][] => [
  [name, command],
  ...command.commands.flatMap((inner) => listCommands(inner, `${name} ${inner.name()}`)),
];

describe("the program", () => {
  test.each([
    ["--help"],
    ["--version"],
    ["help exit-codes"],
    ["restore --help"],
    ["completion bash"],
    ["complete -- restore fi"],
  ])("loads no database, no schema and no router for %s", async (line) => {
    await using folder = temporaryFolder();
    const { status, out, modules } = runFromSource(line.split(" "), folder.path);
    expect(status).toBe(0);
    expect(out).not.toBe("");
    expect(modules.length).toBeLessThan(60);
    expect(modules.filter(isSlow)).toEqual([]);
  });

  test("writes the first line of restore first, and loads one vendor", async () => {
    await using folder = temporaryFolder();
    const { err, modules } = runFromSource(["restore", "vicidial", "--file", "missing.csv"], folder.path);
    expect(err).toMatch(/^restore vicidial: reading missing\.csv\n/);
    const before = modules.slice(0, modules.indexOf(""));
    expect(before.length).toBeLessThan(80);
    expect(before.filter(isSlow)).toEqual([]);
    const packages = modules.map((url) => /\/packages\/([^/]+)\//.exec(url)?.[1]).filter((name) => name !== undefined);
    expect([...new Set(packages)].sort()).toEqual(["batch-core", "vicidial"]);
  });

  test("writes the first line of restore before it reads a record", async () => {
    await using place = openWorkplace();
    const options = { input: "1\n", isInputOpen: true };
    const { child, output, ended } = place.start(["restore", "vicidial", "--file", "-"], options);
    await until(() => output.err === "restore vicidial: reading standard input\n");
    child.stdin?.end("2\n");
    expect(await ended).toMatchObject({ status: 0, err: expect.stringContaining("2 done of 2 records") });
  });

  test.each([
    { node: "24.18.0", warning: "reinstate: Node 24.18.0 has known security faults; use 24.18.1 or later\n" },
    { node: "24.21.0", warning: "" },
  ])("prints version and commit under Node $node", ({ node, warning }) => {
    const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${node}" } })`;
    const args = ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`, main, "--version"];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { env: environment({}), encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: warning });
    expect(stdout).toMatch(/^reinstate \d+\.\d+\.\d+ \(([0-9a-f]{12}(-dirty)?|source)\), Node /);
    expect(stdout).toContain(node);
  });

  test("has a help of at most 80 columns for every command", () => {
    const wide = listCommands(createProgram([])).flatMap(([name, command]) => {
      let help = "";
      command.configureOutput({
        writeOut: (text) => {
          help += text;
        },
      });
      command.outputHelp();
      return help
        .split("\n")
        .filter((line) => line.length > 80)
        .map((line) => `${name}: ${line}`);
    });
    expect(wide).toEqual([]);
  });

  test.each(vendors.map(({ name }) => name))("shows the options of %s in 80 columns", async (vendor) => {
    const { status, out } = await runCommand(["archive", vendor, "--help"]);
    expect(status).toBe(0);
    expect(out).toContain(`Usage: reinstate archive ${vendor}`);
    expect(out.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });

  test("explains every exit status", async () => {
    const { out } = await runCommand(["help", "exit-codes"]);
    for (const [status, meaning] of exitMeanings) expect(out).toMatch(new RegExp(`^ +${status}  ${meaning}$`, "m"));
  });

  test.each(["--key", "--token=x", "--password", "--api-key=s3cret", "-secret"])(
    "rejects the secret %s",
    async (option) => {
      const { status, out, err } = await runCommand(["batches", "list", option, "s3cret"]);
      expect({ status, out }).toEqual({ status: 2, out: "" });
      expect(err).toMatch(/secrets do not belong[\s\S]*why[\s\S]*do +set REINSTATE_KEY/);
      expect(err).not.toContain("s3cret");
    },
  );

  test("rejects unknown commands and options with the nearest name", async () => {
    expect(await runCommand(["restor"])).toMatchObject({
      status: 2,
      err: expect.stringMatching(/Did you mean restore/),
    });
    expect(await runCommand(["batches", "lst"])).toMatchObject({
      status: 2,
      err: expect.stringMatching(/Did you mean list/),
    });
    expect(await runCommand(["batches", "list", "--jsn"])).toMatchObject({
      status: 2,
      err: expect.stringMatching(/Did you mean --json/),
    });
  });
});

describe("completion", () => {
  test("knows the vendors without loading them", async () => {
    await using folder = temporaryFolder();
    const { out } = runFromSource(["complete", "--", "restore", ""], folder.path);
    const names = out.split("\n").map((line) => line.split("\t")[0]);
    expect(names).toEqual([...vendors.map(({ name }) => name), ":4", ""]);
  });

  test("completes commands, values, batches and files in a real bash", async () => {
    await using place = openWorkplace();
    await place.run(["restore", "vicidial", "--ids", "1-3"]);
    writeFileSync(place.path("leads.csv"), "1\n");
    mkdirSync(place.path("lists"));
    const source = [process.execPath, main].join(" ");
    const script = (await runCommand(["completion", "bash"])).out.replaceAll(
      "reinstate complete",
      `${source} complete`,
    );
    const complete = (...words: string[]) => {
      const line = `COMP_WORDS=(reinstate ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}
        __reinstate_complete 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const bash = ["--norc", "--noprofile", "-c", `${script}\n${line}`];
      const text = execFileSync("bash", bash, {
        env: environment(place.settings),
        cwd: place.folder,
        encoding: "utf8",
      });
      return text.split("\n").filter((word) => word !== "");
    };
    expect(complete("res")).toEqual(["restore"]);
    expect(complete("batches", "re")).toEqual(["resume", "retry", "report", "reexamine"]);
    expect(complete("restore", "fi")).toEqual(["firstpromoter"]);
    expect(complete("restore", "vicidial", "--dry")).toEqual(["--dry-run"]);
    expect(complete("restore", "vicidial", "--target", "")).toEqual(["local", "upstream"]);
    expect(complete("batches", "show", "")).toEqual(["1"]);
    expect(complete("restore", "vicidial", "--file", "l").sort()).toEqual(["leads.csv", "lists/"]);
  });

  test.each(["zsh", "fish", "powershell"])("prints a script for %s", async (shell) => {
    const { status, out } = await runCommand(["completion", shell]);
    expect(status).toBe(0);
    expect(out).toMatch(/reinstate["']? complete/);
  });
});
