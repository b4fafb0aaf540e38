import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, test } from "vitest";
import { listPublished } from "./workspace.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string) => join(root, "tooling/node_modules/.bin", name);
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { packageManager: string };
const published = listPublished(root);
const packages = published.filter((path) => path.startsWith("packages/"));
const core = "packages/batch-core";

// Each package as a stranger gets it: packed, checked, installed alone in an empty folder, its README's example run there.
let folder = "";
const tarballs: Record<string, string> = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "reinstate-packed-"));
  const filters = published.flatMap((path) => ["--filter", `./${path}`]);
  await run("npx", ["-y", packageManager, ...filters, "-r", "pack", "--pack-destination", folder], { cwd: root });
  for (const path of published) {
    const name = readdirSync(folder).find((file) => new RegExp(`^reinstate-${basename(path)}-\\d.*\\.tgz$`).test(file));
    tarballs[path] = join(folder, name ?? `${path} was not packed`);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The fenced blocks of TypeScript in a Markdown file. */
function samplesOf(file: string): string[] {
  return [...readFileSync(join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    (match) => match[1] ?? "",
  );
}

async function install(name: string, paths: string[]): Promise<string> {
  const app = join(folder, "apps", name);
  mkdirSync(app, { recursive: true });
  writeFileSync(join(app, "package.json"), '{ "private": true, "type": "module" }');
  await run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--prefer-offline", ...paths.map((path) => tarballs[path] ?? path)],
    { cwd: app },
  );
  return app;
}

/** Writes samples as programs and compiles them; returns the names of their files. */
async function compile(app: string, samples: string[]): Promise<string[]> {
  const files = samples.map((sample, index) => {
    const file = `example-${index}.ts`;
    writeFileSync(join(app, file), sample);
    return file;
  });
  await run(
    join(root, "node_modules/.bin/tsc"),
    [
      ...["--noEmit", "--strict", "--target", "es2024", "--module", "nodenext", "--skipLibCheck", "false"],
      ...["--types", "node", "--typeRoots", join(root, "node_modules/@types"), ...files],
    ],
    { cwd: app },
  );
  return files;
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

describe.concurrent.each(packages)("%s, installed alone", (path) => {
  test("runs the example of its README", async ({ expect }) => {
    const samples = samplesOf(join(path, "README.md"));
    expect(samples.length).toBeGreaterThan(0);
    const app = await install(path, [...new Set([path, core])]);
    const [first = ""] = await compile(app, samples);
    expect((await run(process.execPath, [first], { cwd: app })).stdout).not.toBe("");
  });
});

test.concurrent("the examples of the root README compile against what is published", async ({ expect }) => {
  const samples = samplesOf("README.md");
  expect(samples.length).toBeGreaterThanOrEqual(3);
  await compile(await install("root", packages), samples);
});

test.concurrent("the gateway installs with its command, and the command explains itself", async ({ expect }) => {
  const app = await install("gateway", published);
  const { stdout } = await run(join(app, "node_modules/.bin/reinstate"), ["--help"]);
  expect(stdout).toContain("reinstate serve --demo");
});
