import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, test } from "vitest";
import { readBuild } from "../../apps/gateway/src/cli/terminal/version.ts";
import { compareTarballs } from "./compare-tarballs.ts";
import { packPackages } from "./pack.ts";
import { dryRunPublish } from "./publish-dry-run.ts";
import { listPublished } from "./workspace.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string) => join(root, "tooling/node_modules/.bin", name);
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
  // A build that is taken from the cache leaves the files of the build before it where they are.
  for (const path of published) rmSync(join(root, path, "dist"), { recursive: true, force: true });
  Object.assign(tarballs, await buildAndPack(folder));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const buildAndPack = (target: string, ...options: string[]) => packPackages(root, published, target, ...options);

/** The fenced blocks of TypeScript in a Markdown file. */
function readSamples(file: string): string[] {
  return [...readFileSync(join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    (match) => match[1] ?? "",
  );
}

/** A folder in which some of the packages are installed, and the pages whose examples are tried there. */
interface App {
  readme: string;
  /** A further page with examples. */
  page?: string;
  paths: string[];
}

const alone = packages.map((path): App => ({ readme: join(path, "README.md"), paths: [...new Set([path, core])] }));
const together: App = {
  readme: "docs/guides/embed-a-package.md",
  page: "docs/reference/packages.md",
  paths: published,
};

/** Installs the packages and writes the README's examples as programs. Returns the paths of these. */
async function prepare({ readme, page, paths }: App): Promise<string[]> {
  const app = join(folder, "apps", readme.replace(/\W+/g, "-"));
  mkdirSync(app, { recursive: true });
  writeFileSync(join(app, "package.json"), '{ "private": true, "type": "module" }');
  const tarballsOfApp = paths.map((path) => tarballs[path] ?? path);
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...tarballsOfApp], { cwd: app });
  return [readme, page ?? []]
    .flat()
    .flatMap(readSamples)
    .map((sample, index) => {
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

/** The limits of what a user downloads. The dependencies are those of other projects. */
const ceilings = {
  app: { tarballBytes: 2_000_000, dependencies: 12 },
  package: { tarballBytes: 300_000, dependencies: 4 },
};
/** The compressed size of a client in a browser: its own code, and with all that it imports, most of which is zod. */
const clientCeilings = { ownBytes: 12_000, allBytes: 50_000 };

interface Manifest {
  name: string;
  version: string;
  exports: Record<string, unknown>;
  dependencies?: Record<string, string>;
}

const readManifest = (path: string) => JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Manifest;

// Alone and first, because it reads what a later test builds again.
test.runIf(only === undefined)("the API of each entry point is that of its report", async () => {
  await run(process.execPath, [join(root, "tooling/src/api-reports.ts"), "--check"], { cwd: root });
});

// A failed program rejects with all that it wrote. The tests wait for the registry and the disk, so they run side by side.
describe.concurrent.each(published)("%s, packed", (path) => {
  test("is clean under publint", async () => {
    await run(bin("publint"), ["run", tarballs[path] ?? "", "--strict"]);
  });

  test("is clean under attw", async () => {
    await run(bin("attw"), [tarballs[path] ?? "", "--profile", "esm-only"]);
  });
});

describe.concurrent.each(published)("%s, packed", (path) => {
  const ceiling = ceilings[path.startsWith("apps/") ? "app" : "package"];

  test("passes the dry run of npm publish", async ({ expect }) => {
    const { id, files } = await dryRunPublish(tarballs[path] ?? "");
    const { name, version } = readManifest(join(root, path));
    expect(id).toBe(`${name}@${version}`);
    expect(files.filter((file) => /\.(test|fixture)\.|^src\/|\.map$/.test(file.path))).toEqual([]);
  });

  test("is small enough", ({ expect }) => {
    expect(statSync(tarballs[path] ?? "").size).toBeLessThanOrEqual(ceiling.tarballBytes);
  });

  test("holds its licence", async ({ expect }) => {
    expect((await run("tar", ["-tzf", tarballs[path] ?? ""])).stdout.split("\n")).toContain("package/LICENSE");
  });

  test("has few dependencies", ({ expect }) => {
    const { dependencies = {} } = readManifest(join(root, path));
    const names = Object.keys(dependencies).filter((name) => !name.startsWith("@reinstate/"));
    expect(names.length, names.join(", ")).toBeLessThanOrEqual(ceiling.dependencies);
  });
});

describe.concurrent.each(alone)("$readme, with its package installed alone", (app) => {
  test("has a first example that runs", async ({ expect }) => {
    const [first = ""] = await readExamples(app);
    expect((await run(process.execPath, [first], { cwd: dirname(first) })).stdout).not.toBe("");
  });
});

describe.concurrent.each(alone)("the client of $readme", (app) => {
  test("is small in a browser and needs nothing of Node", async ({ expect }) => {
    const [first = ""] = await readExamples(app);
    const { name } = readManifest(join(root, dirname(app.readme)));
    // Fails if a module of Node is imported, because a browser has none.
    const measure = async (external: string[]) => {
      const { outputFiles } = await build({
        stdin: { contents: `export * from "${name}/client";`, resolveDir: dirname(first) },
        ...{
          bundle: true,
          write: false,
          minify: true,
          format: "esm",
          platform: "browser",
          logLevel: "silent",
          external,
        },
      });
      return gzipSync(outputFiles[0]?.contents ?? "").length;
    };
    expect(await measure(["zod", "saxes"])).toBeLessThanOrEqual(clientCeilings.ownBytes);
    expect(await measure([])).toBeLessThanOrEqual(clientCeilings.allBytes);
  });
});

describe.runIf(only === undefined).concurrent("all packages, installed together", () => {
  test("run no script when they are installed", async ({ expect }) => {
    const [example = ""] = await readExamples(together);
    const text = readFileSync(join(dirname(example), "node_modules/.package-lock.json"), "utf8");
    const { packages: installed } = JSON.parse(text) as { packages: Record<string, { hasInstallScript?: true }> };
    expect(Object.keys(installed).length).toBeGreaterThan(published.length);
    expect(Object.keys(installed).filter((path) => installed[path]?.hasInstallScript)).toEqual([]);
  });

  test("open nothing when they are imported", async ({ expect }) => {
    const [example = ""] = await readExamples(together);
    const doors = published.flatMap((path) => {
      const { name, exports } = readManifest(join(root, path));
      return Object.keys(exports)
        .filter((door) => !door.endsWith(".json"))
        .map((door) => join(name, door));
    });
    const program = `
      void [process.stdout, process.stderr];
      const before = process.getActiveResourcesInfo();
      for (const door of ${JSON.stringify(doors)}) await import(door);
      console.log(JSON.stringify({ before, after: process.getActiveResourcesInfo() }));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: dirname(example),
    });
    const { before, after } = JSON.parse(stdout) as { before: string[]; after: string[] };
    expect(after.sort()).toEqual(before.sort());
  });

  test("are the same bytes when they are built again", async ({ expect }) => {
    const again = join(folder, "again");
    mkdirSync(again);
    const second = await buildAndPack(again, "--force");
    const differences = published.map((path) => compareTarballs(tarballs[path] ?? "", second[path] ?? ""));
    expect(differences.flat()).toEqual([]);
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
    const version = await run(join(dirname(example), "node_modules/.bin/reinstate"), ["--version"]);
    expect(version.stdout).toMatch(/^reinstate \d\S+ \(([0-9a-f]{12}(-dirty)?|source)\), Node \d/);
    expect(
      JSON.parse(readFileSync(join(dirname(example), "node_modules/@reinstate/gateway/dist/build.json"), "utf8")),
    ).toEqual(readBuild());
  });
