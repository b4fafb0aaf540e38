import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, test } from "vitest";
import { listPublished } from "./workspace.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string) => join(root, "tooling/node_modules/.bin", name);
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { packageManager: string };
const core = "packages/batch-core";
/** The one package to test, with the core; all of them without it. */
const only = process.env.PACKED;
const published = listPublished(root).filter((path) => only === undefined || path === only || path === core);
const packages = published.filter((path) => path.startsWith("packages/"));

// Each package as a stranger gets it: packed, checked, installed alone in an empty folder, its README's example run there.
let folder = "";
const tarballs: Record<string, string> = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "reinstate-packed-"));
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1" };
  const filters = published.flatMap((path) => ["--filter", `./${path}`]);
  const build = ["run", "build", "--output-logs=errors-only", ...filters];
  await run(join(root, "node_modules/.bin/turbo"), build, { cwd: root, env });
  await run("npx", ["-y", packageManager, ...filters, "-r", "pack", "--pack-destination", folder], { cwd: root });
  for (const path of published) {
    const name = readdirSync(folder).find((file) => new RegExp(`^reinstate-${basename(path)}-\\d.*\\.tgz$`).test(file));
    tarballs[path] = join(folder, name ?? `${path} was not packed`);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The fenced blocks of TypeScript in a Markdown file. */
function readSamples(file: string): string[] {
  return [...readFileSync(join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    (match) => match[1] ?? "",
  );
}

/** A folder in which some of the packages are installed, and the page whose examples are tried there. */
interface App {
  readme: string;
  paths: string[];
}

const alone = packages.map((path): App => ({ readme: join(path, "README.md"), paths: [...new Set([path, core])] }));
const together: App = { readme: "docs/guides/embed-a-package.md", paths: published };

/** Installs the packages and writes the README's examples as programs. Returns the paths of these. */
async function prepare({ readme, paths }: App): Promise<string[]> {
  const app = join(folder, "apps", readme.replace(/\W+/g, "-"));
  mkdirSync(app, { recursive: true });
  writeFileSync(join(app, "package.json"), '{ "private": true, "type": "module" }');
  const tarballsOfApp = paths.map((path) => tarballs[path] ?? path);
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...tarballsOfApp], { cwd: app });
  return readSamples(readme).map((sample, index) => {
    const file = join(app, `example-${index}.ts`);
    writeFileSync(file, sample);
    return file;
  });
}

const prepared = new Map<App, Promise<string[]>>();

function readExamples(app: App): Promise<string[]> {
  const examples = prepared.get(app) ?? prepare(app);
  prepared.set(app, examples);
  return examples;
}

// A failed program rejects with all that it wrote. The tests wait for the registry and the disk, so they run side by side.
describe.concurrent.each(published)("%s, packed", (path) => {
  test("is clean under publint", async () => {
    await run(bin("publint"), ["run", tarballs[path] ?? "", "--strict"]);
  });

  test("is clean under attw", async () => {
    await run(bin("attw"), [tarballs[path] ?? "", "--profile", "esm-only"]);
  });
});

describe.concurrent.each(alone)("$readme, with its package installed alone", (app) => {
  test("has a first example that runs", async ({ expect }) => {
    const [first = ""] = await readExamples(app);
    expect((await run(process.execPath, [first], { cwd: dirname(first) })).stdout).not.toBe("");
  });
});

test.concurrent("all examples compile against what is published", async ({ expect }) => {
  const apps = only === undefined ? [together, ...alone] : alone;
  const files = await Promise.all(apps.map(readExamples));
  expect(files.flat().length).toBeGreaterThanOrEqual(apps.length);
  // One program of all examples: each is resolved from its own folder, and the libraries are read once.
  await run(
    join(root, "node_modules/.bin/tsc"),
    [
      ...["--noEmit", "--strict", "--target", "es2024", "--module", "nodenext", "--skipLibCheck", "false"],
      ...["--types", "node", "--typeRoots", join(root, "node_modules/@types"), ...files.flat()],
    ],
    { cwd: folder },
  );
});

test
  .runIf(only === undefined)
  .concurrent("the gateway installs with its command, and the command explains itself", async ({ expect }) => {
    const [example = ""] = await readExamples(together);
    const { stdout } = await run(join(dirname(example), "node_modules/.bin/reinstate"), ["--help"]);
    expect(stdout).toContain("reinstate serve --demo");
  });
