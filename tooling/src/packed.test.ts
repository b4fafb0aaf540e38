import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string) => join(root, "tooling/node_modules/.bin", name);
const packages = ["batch-core", "firstpromoter", "altcraft", "vicidial"].map((name) => join("packages", name));

// Each package as a stranger gets it: packed, checked, installed alone in an empty folder, its README's example run there.
let folder = "";
const tarballs: Record<string, string> = {};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "reinstate-packed-"));
  for (const path of [...packages, "apps/gateway"]) {
    const target = join(folder, "tarballs", path);
    mkdirSync(target, { recursive: true });
    execFileSync("npx", ["-y", "pnpm@10.34.8", "pack", "--pack-destination", target], {
      cwd: join(root, path),
      stdio: "ignore",
    });
    tarballs[path] = join(target, readdirSync(target)[0] ?? "");
  }
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The fenced blocks of TypeScript in a Markdown file. */
function samplesOf(file: string): string[] {
  return [...readFileSync(join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    (match) => match[1] ?? "",
  );
}

function install(name: string, paths: string[]): string {
  const app = join(folder, "apps", name);
  mkdirSync(app, { recursive: true });
  writeFileSync(join(app, "package.json"), '{ "private": true, "type": "module" }');
  execFileSync(
    "npm",
    ["install", "--no-audit", "--no-fund", "--prefer-offline", ...paths.map((path) => tarballs[path] ?? path)],
    { cwd: app, stdio: "pipe" },
  );
  return app;
}

function compile(app: string, files: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    join(root, "node_modules/.bin/tsc"),
    [
      ...["--noEmit", "--strict", "--target", "es2024", "--module", "nodenext", "--skipLibCheck", "false"],
      ...["--types", "node", "--typeRoots", join(root, "node_modules/@types"), ...files],
    ],
    { cwd: app, encoding: "utf8" },
  );
  return { status, output: stdout + stderr };
}

describe.each([...packages, "apps/gateway"])("%s, packed", (path) => {
  test("is clean under publint and attw", { timeout: 120_000 }, () => {
    for (const [command, args] of [
      [bin("publint"), ["run", tarballs[path] ?? "", "--strict"]],
      [bin("attw"), [tarballs[path] ?? "", "--profile", "esm-only"]],
    ] as const) {
      const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
      expect(status, stdout + stderr).toBe(0);
    }
  });
});

describe.each(packages)("%s, installed alone", (path) => {
  test("runs the example of its README", { timeout: 300_000 }, () => {
    const samples = samplesOf(join(path, "README.md"));
    expect(samples.length).toBeGreaterThan(0);
    const app = install(path, path.endsWith("batch-core") ? [path] : [path, "packages/batch-core"]);
    samples.forEach((sample, index) => {
      writeFileSync(join(app, `example-${index}.ts`), sample);
    });
    const files = samples.map((_, index) => `example-${index}.ts`);
    const compiled = compile(app, files);
    expect(compiled.status, compiled.output).toBe(0);
    const { status, stdout, stderr } = spawnSync(process.execPath, [files[0] ?? ""], { cwd: app, encoding: "utf8" });
    expect(status, stderr).toBe(0);
    expect(stdout).not.toBe("");
  });
});

test("the examples of the root README compile against what is published", { timeout: 300_000 }, () => {
  const samples = samplesOf("README.md");
  expect(samples.length).toBeGreaterThanOrEqual(3);
  const app = install("root", packages);
  samples.forEach((sample, index) => {
    writeFileSync(join(app, `example-${index}.ts`), sample);
  });
  const compiled = compile(
    app,
    samples.map((_, index) => `example-${index}.ts`),
  );
  expect(compiled.status, compiled.output).toBe(0);
});

test("the gateway installs with its command, and the command explains itself", { timeout: 300_000 }, () => {
  const app = install("gateway", ["apps/gateway", ...packages]);
  const { status, stdout, stderr } = spawnSync(join(app, "node_modules/.bin/reinstate"), ["--help"], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  expect(stdout).toContain("reinstate serve --demo");
});
