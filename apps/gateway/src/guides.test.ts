import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { postgresDatabase } from "@reinstate/tooling/databases";
import { findPromtool, findSystemdAnalyze } from "@reinstate/tooling/services";
import { afterAll, describe, expect, test } from "vitest";
import { collectOutput, temporaryFolder } from "./testing/gateway-process.ts";

// The commands of the guides for operators, run in their order in an empty folder.

const root = fileURLToPath(new URL("../../../", import.meta.url));
const readGuide = (name: string) => readFileSync(join(root, "docs/guides", `${name}.md`), "utf8");

/** Returns the fenced blocks of a text with their languages. */
const listBlocks = (text: string) =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = "", code = ""]) => ({ language, code }));

/** Returns the commands under a heading of a guide, up to the next heading. */
function readCommands(guide: string, heading: string): string {
  const section = readGuide(guide)
    .split(/^(?=#+ )/m)
    .find((text) => text.replace(/^#+ /, "").startsWith(`${heading}\n`));
  const commands = listBlocks(section ?? "").filter(({ language }) => language === "sh");
  if (commands.length === 0) throw new Error(`${guide}.md has no commands under "${heading}"`);
  return commands.map(({ code }) => code).join("");
}

async function findPorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()].map((server) => server.listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports as [number, number];
}

/** The gateway as one file, which the machines that do not try its installation share. */
const shared = temporaryFolder();
afterAll(() => shared[Symbol.asyncDispose]());
const bundle = promisify(execFile)(process.execPath, [join(root, "tooling/src/bundle-gateway.ts"), shared.path]);

/** A machine on which the gateway is installed as the guide says. */
async function createInstalledMachine(env: Record<string, string> = {}) {
  const machine = await createMachine(env);
  await bundle;
  cpSync(shared.path, join(machine.path, "opt/reinstate"), { recursive: true });
  symlinkSync(join(machine.path, "opt/reinstate/reinstate.mjs"), join(machine.path, "bin/reinstate"));
  return machine;
}

/** A machine with an empty folder, on which the commands of the guides run without root. */
async function createMachine(env: Record<string, string> = {}) {
  const temporary = temporaryFolder();
  const { path } = temporary;
  const [port, metricsPort] = await findPorts();
  const work = join(path, "work");
  for (const folder of ["work", "bin", "opt", "etc/systemd/system"]) mkdirSync(join(path, folder), { recursive: true });
  const addCommand = (name: string, script: string) =>
    writeFileSync(join(path, "bin", name), `#!/bin/bash\nset -e\n${script}\n`, { mode: 0o755 });
  addCommand("promtool", `exec ${findPromtool()} "$@"`);
  // The service manager cannot run here. It checks the unit that it would start.
  addCommand(
    "systemctl",
    `[[ "$1 $2 $3" == "enable --now reinstate" ]]
    sed 's#/usr/bin/node#${process.execPath}#; s#/opt/#${path}/opt/#' ${path}/etc/systemd/system/reinstate.service > ${path}/reinstate.service
    exec ${findSystemdAnalyze()} verify --man=no ${path}/reinstate.service`,
  );
  // container.test.ts performs the steps of the file and runs the result.
  addCommand("podman", `[[ $1 == run ]] || { [[ "$1 $2" == "build -f" ]] && [[ -f $3 ]]; }`);

  const adapt = (commands: string) =>
    commands
      // This repository is installed.
      .replace(/^npx -y pnpm@[\d.]+ install$/m, "true")
      .replaceAll(/(?<=[\s=])(deploy|tooling)\//g, `${root}$1/`)
      .replaceAll("/usr/local/bin", join(path, "bin"))
      .replaceAll(/(?<=[\s])\/(opt|etc)\//g, `${path}/$1/`)
      .replaceAll("127.0.0.1:8787", `127.0.0.1:${port}`)
      .replaceAll("127.0.0.1:9464", `127.0.0.1:${metricsPort}`);

  async function run(commands: string): Promise<{ status: number | null; out: string; err: string }> {
    const script = `set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT\n${adapt(commands)}`;
    const shell = spawn("bash", ["-c", script], {
      cwd: work,
      env: {
        PATH: [join(path, "bin"), dirname(process.execPath), process.env.PATH].join(":"),
        HOME: work,
        PORT: String(port),
        REINSTATE_METRICS: `127.0.0.1:${metricsPort}`,
        LOG_LEVEL: "warn",
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = collectOutput(shell);
    const [status] = (await once(shell, "close")) as [number | null];
    return { status, ...output };
  }
  return { path, run, [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose]() };
}

describe("the commands of deployment.md", () => {
  test("install and start the gateway", async () => {
    await using machine = await createMachine();
    const commands = readCommands("deployment", "One file") + readCommands("deployment", "First start");
    const { status, out, err } = await machine.run(commands);
    expect([status, err]).toEqual([0, expect.any(String)]);
    expect(out).toMatch(/^reinstate \d[\s\S]*listens on[\s\S]*\nready\n[\s\S]*\nrik_\w/);
  });

  const serve = "reinstate serve &\nreinstate health --ready --wait 60\n";
  const list = (file: string) => `reinstate batches list --json > ${file}\n`;

  /** Returns a command that restores a promoter of the demo with a batch of its own. */
  const restore = (id: number) =>
    `curl --fail -sS -H 'Content-Type: application/json' -H 'Authorization: Bearer demo-admin-key' --output batch-${id} -d ` +
    `'{"operation":"firstpromoter.promoters.restore","account":"acc_demo","items":[${id}]}' http://127.0.0.1:8787/v1/batches\n`;

  /** The commands with a batch before the backup, which is the first command, and one after it, which it does not have. */
  const withBatches = (commands: string) => serve + restore(1) + commands.replace("\n", `\n${restore(2)}`);

  const readIds = (path: string, file: string) =>
    readFileSync(join(path, "work", file), "utf8").match(/(?<="id":)\d+/g);

  test("back up and restore a ledger on SQLite, and upgrade", async () => {
    await using machine = await createInstalledMachine({ REINSTATE_DEMO: "true" });
    const commands = [readCommands("deployment", "SQLite"), list("restored"), readCommands("deployment", "Upgrade")];
    const { status, err } = await machine.run(withBatches(commands.join("")) + list("upgraded"));
    expect([status, err]).toEqual([0, expect.any(String)]);
    expect([readIds(machine.path, "restored"), readIds(machine.path, "upgraded")]).toEqual([["1"], ["1"]]);
  });

  test("back up and restore a ledger on PostgreSQL", async () => {
    await using database = await postgresDatabase();
    await using machine = await createInstalledMachine({
      REINSTATE_DEMO: "true",
      REINSTATE_DATABASE_URL: database.url,
    });
    const name = new URL(database.url).pathname.slice(1);
    const commands = readCommands("deployment", "PostgreSQL").replaceAll(/\brestored\b/g, `${name}_restored`);
    const { status, err } = await machine.run(withBatches(commands) + list("restored"));
    expect([status, err]).toEqual([0, expect.any(String)]);
    expect(readIds(machine.path, "restored")).toEqual(["1"]);
  });

  test("have files that the service manager and the container engine accept", async () => {
    await using machine = await createMachine();
    mkdirSync(join(machine.path, "opt/reinstate"));
    writeFileSync(join(machine.path, "opt/reinstate/reinstate.mjs"), "", { mode: 0o755 });
    const commands = readCommands("deployment", "systemd") + readCommands("deployment", "Container");
    expect(await machine.run(commands)).toEqual({ status: 0, out: "", err: "" });
  });
});

describe("the commands of monitoring.md", () => {
  test("read the health and the metrics, and check the rules", async () => {
    await using machine = await createInstalledMachine();
    const sections = ["Health", "Metrics", "Alerts"].map((heading) => readCommands("monitoring", heading));
    const started = `reinstate serve > /dev/null &\nreinstate health --ready --wait 60\n`;
    const { status, out, err } = await machine.run(started + sections.join(""));
    expect([status, err]).toEqual([0, expect.any(String)]);
    expect(out).toMatch(/\{"status":"ok"\}[\s\S]*"vicidial"[\s\S]*SUCCESS/);
  });

  test("have a scrape configuration that Prometheus accepts", async () => {
    await using machine = await createMachine();
    const [config] = listBlocks(readGuide("monitoring")).filter(({ language }) => language === "yaml");
    writeFileSync(join(machine.path, "work/prometheus.yml"), config?.code ?? "");
    expect(await machine.run("promtool check config prometheus.yml")).toMatchObject({ status: 0 });
  });
});

test.each(["deployment", "monitoring"])("%s.md has no block that is not tried", (guide) => {
  const text = readGuide(guide);
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading);
  const withCommands = headings.filter((heading) => {
    try {
      return readCommands(guide, heading) !== "";
    } catch {
      return false;
    }
  });
  const source = readFileSync(fileURLToPath(import.meta.url), "utf8");
  expect(withCommands.filter((heading) => !source.includes(`"${heading}"`))).toEqual([]);
  expect(listBlocks(text).filter(({ language }) => !["sh", "yaml"].includes(language))).toEqual([]);
});
