import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { findImportCycles } from "./import-cycles.ts";
import { findVocabularyFaultsBelow } from "./vocabulary.ts";
import { listPackages } from "./workspace.ts";

/** The files that every vendor package has, so that who knows one finds the way in all. */
const vendorFiles = [
  "src/index.ts",
  "src/vendor.ts",
  "src/create.ts",
  "src/options.ts",
  "src/schemas.ts",
  "src/client.ts",
  "src/testing.ts",
  "src/demo.ts",
  "src/http/routes.ts",
  "src/operations/operations.ts",
  "src/store",
  "src/fixtures",
  "README.md",
  "package.json",
  "tsconfig.json",
];
const vendorDoors = [".", "./client", "./schemas", "./testing"];

/** Names that say nothing about what is in a file. */
const emptyNames = /^(utils?|helpers?|types|common|misc|shared)\.tsx?$/;

interface Manifest {
  name: string;
  private?: boolean;
  exports?: Record<string, string>;
  publishConfig?: { exports?: Record<string, string | { types: string; default: string }> };
  dependencies?: Record<string, string>;
}

/** Every breach of the house rules in the repository at `root`, one line each, with the way to mend it. */
export function inspect(root: string): string[] {
  const complaints: string[] = [];
  const packages = join(root, "packages");
  const vendors = listPackages(packages).filter((name) => name !== "batch-core");
  for (const vendor of vendors) {
    const folder = join(packages, vendor);
    for (const file of vendorFiles) {
      if (!existsSync(join(folder, file))) complaints.push(`packages/${vendor} lacks ${file}, which every vendor has`);
    }
    const doors = Object.keys(readManifest(folder).exports ?? {});
    for (const door of vendorDoors) {
      if (!doors.includes(door)) complaints.push(`packages/${vendor} lacks the door "${door}", which every vendor has`);
    }
    const roster = join(root, "apps/gateway/src/vendors.ts");
    if (!existsSync(roster) || !readFileSync(roster, "utf8").includes(`"@reinstate/${vendor}"`)) {
      complaints.push(`apps/gateway/src/vendors.ts lacks a line for @reinstate/${vendor}`);
    }
    const models = readdirSync(join(folder, "src")).filter((name) => existsSync(join(folder, "src", name, "rules.ts")));
    if (models.length !== 1) {
      complaints.push(`packages/${vendor} needs one model folder with a rules.ts; it has ${models.length}`);
    }
    complaints.push(...clientReach(root, folder), ...checkContract(root, folder));
  }
  for (const folder of [...listPackages(packages).map((name) => join(packages, name)), join(root, "apps/gateway")]) {
    complaints.push(
      ...checkEntryPoints(root, folder),
      ...checkImports(root, folder, vendors),
      ...checkFileNames(root, folder),
    );
    const files = listSources(join(folder, "src")).filter((file) => !/\.test\.|\/(testing|fixtures)\//.test(file));
    complaints.push(
      ...findImportCycles(join(folder, "src"), files).map((fault) => `${relative(root, folder)}: ${fault}`),
    );
  }
  complaints.push(...findVocabularyFaultsBelow(root));
  return complaints;
}

/** The promises that a gateway relies on are tested for every vendor. */
function checkContract(root: string, folder: string): string[] {
  const file = join(folder, "src/vendor.test.ts");
  if (existsSync(file) && readFileSync(file, "utf8").includes("vendorContract(")) return [];
  return [`${relative(root, file)} must run vendorContract, as every vendor does`];
}

/** Every door leads to a source file, and is published from the file that the build makes of it. */
function checkEntryPoints(root: string, folder: string): string[] {
  const at = relative(root, folder);
  const { name, exports = {}, publishConfig } = readManifest(folder);
  const complaints: string[] = [];
  for (const [door, source] of Object.entries(exports)) {
    const published = publishConfig?.exports?.[door];
    if (!existsSync(join(folder, source)))
      complaints.push(`${at}: the door "${door}" leads to ${source}, which is not there`);
    if (!source.endsWith(".ts")) {
      if (published !== source) complaints.push(`${at}: publishConfig.exports must have "${door}": "${source}"`);
      continue;
    }
    const built = source.replace("./src/", "./dist/").replace(/\.ts$/, "");
    if (typeof published !== "object" || published.types !== `${built}.d.ts` || published.default !== `${built}.js`) {
      complaints.push(
        `${at}: publishConfig.exports must have "${door}" as { types: "${built}.d.ts", default: "${built}.js" }`,
      );
    }
  }
  for (const door of Object.keys(publishConfig?.exports ?? {})) {
    if (!(door in exports)) complaints.push(`${at}: publishConfig.exports has "${door}", which exports lacks`);
  }
  for (const [dependency, range] of Object.entries(readManifest(folder).dependencies ?? {})) {
    if (dependency.startsWith("@reinstate/") && range !== "workspace:^") {
      complaints.push(`${at}: ${name} must depend on ${dependency} by workspace:^ (it says ${range})`);
    }
  }
  return complaints;
}

/** gateway → vendor → batch-core, and nothing against the arrows. */
function checkImports(root: string, folder: string, vendors: string[]): string[] {
  const at = relative(root, folder);
  const isVendor = vendors.some((vendor) => at === join("packages", vendor));
  const allowed = at === "apps/gateway" ? [...vendors, "batch-core"] : isVendor ? ["batch-core"] : [];
  const { exports = {} } = readManifest(folder);
  // What tests alone use lies in testing/ too, unless the package publishes that.
  const testFile = "./testing" in exports ? /\.test(\.fixture)?\.ts$/ : /\.test(\.fixture)?\.ts$|\/src\/testing\//;
  const complaints: string[] = [];
  for (const file of listSources(join(folder, "src"))) {
    const isTest = testFile.test(file);
    for (const specifier of listImports(file)) {
      const sibling = /^@reinstate\/([^/]+)/.exec(specifier)?.[1];
      if (sibling === undefined || (isTest && sibling === "tooling")) continue;
      if (!allowed.includes(sibling))
        complaints.push(`${relative(root, file)} imports ${specifier}, against the arrows`);
    }
    for (const specifier of listImports(file)) {
      if (!specifier.startsWith(".")) continue;
      const target = resolve(dirname(file), specifier);
      if (relative(folder, target).startsWith(".."))
        complaints.push(`${relative(root, file)} reaches out of its package: ${specifier}`);
    }
  }
  return complaints;
}

/** A client is taken into programs that have no server: it must not pull one in. */
function clientReach(root: string, folder: string): string[] {
  const start = join(folder, "src/client.ts");
  if (!existsSync(start)) return [];
  const complaints: string[] = [];
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file) || !existsSync(file)) return;
    seen.add(file);
    const name = relative(join(folder, "src"), file);
    if (/^(vendor|create|demo)\.ts$|^(operations|store)\/|(^|\/)(routes|rules)\.ts$/.test(name)) {
      complaints.push(`${relative(root, start)} reaches ${name}, which belongs to the server`);
    }
    for (const specifier of listImports(file)) {
      if (specifier.startsWith(".")) visit(resolve(dirname(file), specifier));
      if (
        ["kysely", "pg", "mysql2", "hono", "@reinstate/batch-core"].includes(
          specifier.replace(/\/(promise|sqlite)$/, ""),
        )
      ) {
        complaints.push(`${relative(root, start)} reaches ${specifier} through ${name}, which belongs to the server`);
      }
    }
  };
  visit(start);
  return complaints;
}

function checkFileNames(root: string, folder: string): string[] {
  return listSources(join(folder, "src"))
    .filter((file) => emptyNames.test(file.split("/").at(-1) ?? "") || /[A-Z_]/.test(file.split("/").at(-1) ?? ""))
    .map((file) => `${relative(root, file)}: name it in kebab-case after what is in it`);
}

function listImports(file: string): string[] {
  const text = readFileSync(file, "utf8");
  // Imports of types alone vanish from the program and are no arrow inside a package.
  const statements = text.matchAll(/^\s*(?:import|export)\s+(?!type\b)(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm);
  return [...statements].map((match) => match[1] ?? "");
}

function listSources(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return (readdirSync(folder, { recursive: true }) as string[])
    .map((name) => join(folder, name))
    .filter((path) => /\.tsx?$/.test(path) && statSync(path).isFile());
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}
