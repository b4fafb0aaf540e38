import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { packPackages } from "@reinstate/tooling/pack";
import { listPublished } from "@reinstate/tooling/workspace";

// `node bench/src/soak-installs.ts`: installs the tarball of each package alone with each package manager, and runs it on each Node.

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const startMs = 60_000;

/** A package to install, with those of ours that it needs. */
interface Candidate {
  path: string;
  name: string;
  /** The tarballs of ours by name, with its own. */
  tarballs: Record<string, string>;
}

/** Installs the dependencies of a folder. `overrides`: where our packages come from, because no registry has them yet. */
interface Manager {
  name: string;
  files(overrides: Record<string, string>): Record<string, string>;
  command: string[];
}

const stringify = (value: object) => JSON.stringify(value, null, 2);

const managers: Manager[] = [
  {
    name: "npm",
    files: (dependencies) => ({ "package.json": stringify({ private: true, dependencies }) }),
    command: ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline"],
  },
  {
    name: "pnpm",
    files: (overrides) => ({ "pnpm-workspace.yaml": stringify({ packages: ["."], overrides }) }),
    command: ["npx", "-y", "pnpm@10.34.8", "install", "--prefer-offline", "--config.verify-deps-before-run=false"],
  },
  {
    name: "yarn",
    files: (resolutions) => ({
      "package.json": stringify({ private: true, resolutions }),
      ".yarnrc.yml": stringify({ nodeLinker: "node-modules", enableTelemetry: false, enableImmutableInstalls: false }),
      "yarn.lock": "",
    }),
    command: ["npx", "-y", "@yarnpkg/cli-dist@4.18.1", "install"],
  },
];

/** Returns the path of the binary of a Node version, which the package `node` of npm brings. */
async function findNode(version: string): Promise<string> {
  const { stdout } = await run("npx", ["-y", `node@${version}`, "--print", "process.execPath"], { cwd: tmpdir() });
  return stdout.trim();
}

function readManifest(path: string) {
  return JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as {
    name: string;
    dependencies?: Record<string, string>;
  };
}

function listCandidates(tarballs: Record<string, string>): Candidate[] {
  const byName = new Map(Object.keys(tarballs).map((path) => [readManifest(path).name, path]));
  const collect = (path: string): string[] => {
    const own = Object.keys(readManifest(path).dependencies ?? {}).flatMap((name) => byName.get(name) ?? []);
    return [path, ...own.flatMap(collect)];
  };
  return Object.keys(tarballs).map((path) => ({
    path,
    name: readManifest(path).name,
    tarballs: Object.fromEntries(
      collect(path).map((needed) => [readManifest(needed).name, `file:${tarballs[needed] ?? ""}`]),
    ),
  }));
}

/** Returns the dependencies that the README of a package tells its users to install. An app has none beside itself. */
function listInstalled({ path, name, tarballs }: Candidate): Record<string, string> {
  const [, line = name] = /^npm install (.*)$/m.exec(readFileSync(join(root, path, "README.md"), "utf8")) ?? [];
  return Object.fromEntries(line.split(" ").map((wanted) => [wanted, tarballs[wanted] ?? readVersion(path, wanted)]));
}

/** Returns the version of a library that a package of ours has here. */
const readVersion = (path: string, library: string) =>
  (JSON.parse(readFileSync(join(root, path, "node_modules", library, "package.json"), "utf8")) as { version: string })
    .version;

/** Installs a package in an empty folder, and returns the folder. */
async function install(folder: string, candidate: Candidate, manager: Manager): Promise<string> {
  const app = join(folder, `${manager.name}-${candidate.path.replace(/\W/g, "-")}`);
  mkdirSync(app);
  for (const [file, text] of Object.entries(manager.files(candidate.tarballs))) writeFileSync(join(app, file), text);
  const manifest = existsSync(join(app, "package.json"))
    ? (JSON.parse(readFileSync(join(app, "package.json"), "utf8")) as { dependencies?: object })
    : {};
  const dependencies = { ...manifest.dependencies, ...listInstalled(candidate) };
  writeFileSync(join(app, "package.json"), stringify({ private: true, type: "module", ...manifest, dependencies }));
  const [command = "", ...args] = manager.command;
  await run(command, args, { cwd: app, maxBuffer: 64 * 1024 * 1024 });
  return app;
}

/** Runs the first example of a package's README. */
async function runExample(app: string, node: string, path: string): Promise<void> {
  const readme = readFileSync(join(root, path, "README.md"), "utf8");
  const [, example = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  const file = join(app, "example.mjs");
  writeFileSync(file, stripTypeScriptTypes(example));
  const { stdout } = await run(node, [file], { cwd: app });
  if (stdout === "") throw new Error("The example of the README printed nothing");
}

/** Starts the demo of the gateway, and stops it. */
async function runGateway(app: string, node: string): Promise<void> {
  const program = join(app, "node_modules/@reinstate/gateway/dist/main.js");
  const env = { ...process.env, PORT: "0", REINSTATE_DATABASE_URL: "sqlite::memory:", LOG_LEVEL: "error" };
  const child = spawn(node, [program, "serve", "--demo"], { cwd: app, env, stdio: ["ignore", "pipe", "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), startMs);
  let out = "";
  const collect = (text: Buffer) => {
    out += text.toString();
    if (/listens on/.test(out)) child.kill("SIGTERM");
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const [status] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  if (status !== 0 || !out.includes("listens on")) throw new Error(`The gateway ended with ${status}: ${out}`);
}

const folder = mkdtempSync(join(tmpdir(), "reinstate-installs-"));
const nodes = [await findNode("22.16.0"), process.execPath, await findNode("latest")];
const versions = await Promise.all(nodes.map(async (node) => (await run(node, ["--version"])).stdout.trim()));
const rows: string[] = [];
try {
  const packed = join(folder, "packed");
  mkdirSync(packed);
  const candidates = listCandidates(await packPackages(root, listPublished(root), packed));
  for (const manager of managers) {
    for (const candidate of candidates) {
      const cells: string[] = [];
      try {
        const app = await install(folder, candidate, manager);
        for (const node of nodes) {
          const start = candidate.path.startsWith("apps/") ? runGateway : runExample;
          cells.push(await start(app, node, candidate.path).then(() => "runs", describeFault));
        }
      } catch (error) {
        cells.push(describeFault(error));
      }
      rows.push(`| ${candidate.name} | ${manager.name} | ${cells.join(" | ")} |`);
      process.stdout.write(`${rows.at(-1)}\n`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(
  `\n| package | installed by | ${versions.join(" | ")} |\n| --- | --- | --- | --- | --- |\n${rows.join("\n")}\n`,
);

/** Marks the run as failed. Returns the first line of the fault, and writes all of it. */
function describeFault(error: unknown): string {
  process.exitCode = 1;
  const { message, stderr = "", stdout = "" } = error as { message: string; stderr?: string; stdout?: string };
  process.stderr.write(`${message}\n${stdout}\n${stderr}\n`);
  return `fails: ${/^\w*Error.*$/m.exec(stderr)?.[0] ?? message.split("\n", 1)[0]}`;
}
