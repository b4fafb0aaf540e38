import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { findUndocumented } from "./docstrings.ts";
import { findLongFunctions } from "./function-length.ts";
import { findImportCycles, readSpecifiers } from "./import-cycles.ts";
import { remember } from "./remember.ts";
import { findVocabularyFaultsBelow } from "./vocabulary.ts";
import { listFiles, listPackages } from "./workspace.ts";

/** Files of every vendor package, so a reader who knows one package knows them all. */
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
const vendorEntryPoints = [".", "./client", "./schemas", "./testing"];

/** Folders of opt-in features, each with the one file that the rest of its package may import. */
const ports: Readonly<Record<string, string>> = {
  "packages/altcraft/src/consent": "port.ts",
};

/** File names that say nothing about the content. */
const emptyNames = /^(utils?|helpers?|types|common|misc|shared)\.tsx?$/;

interface Manifest {
  name: string;
  private?: boolean;
  exports?: Record<string, string>;
  publishConfig?: { exports?: Record<string, string | { types: string; default: string }> };
  dependencies?: Record<string, string>;
}

const findLong = remember(findLongFunctions);

/** Returns every breach of the conventions in the repository at `root`, one line each, with the way out. */
export function inspect(root: string): string[] {
  const faults: string[] = [];
  const packages = join(root, "packages");
  const vendors = listPackages(packages).filter((name) => name !== "batch-core");
  for (const vendor of vendors) {
    const folder = join(packages, vendor);
    for (const file of vendorFiles) {
      if (!existsSync(join(folder, file))) faults.push(`packages/${vendor} lacks ${file}, which every vendor has`);
    }
    const entryPoints = Object.keys(readManifest(folder).exports ?? {});
    for (const entryPoint of vendorEntryPoints) {
      if (!entryPoints.includes(entryPoint))
        faults.push(`packages/${vendor} lacks the entry point "${entryPoint}", which every vendor has`);
    }
    const vendorList = join(root, "apps/gateway/src/vendors.ts");
    if (!existsSync(vendorList) || !readFileSync(vendorList, "utf8").includes(`"@reinstate/${vendor}"`)) {
      faults.push(`apps/gateway/src/vendors.ts lacks a line for @reinstate/${vendor}`);
    }
    const models = readdirSync(join(folder, "src")).filter((name) => existsSync(join(folder, "src", name, "rules.ts")));
    if (models.length !== 1) {
      faults.push(`packages/${vendor} needs one model folder with a rules.ts; it has ${models.length}`);
    }
    faults.push(...checkClient(root, folder), ...checkContract(root, folder));
  }
  for (const folder of [...listPackages(packages).map((name) => join(packages, name)), join(root, "apps/gateway")]) {
    faults.push(
      ...checkEntryPoints(root, folder),
      ...checkImports(root, folder, vendors),
      ...checkFileNames(root, folder),
    );
    const files = listSources(join(folder, "src")).filter((file) => !/\.test\.|\/(testing|fixtures)\//.test(file));
    faults.push(...findImportCycles(join(folder, "src"), files).map((fault) => `${relative(root, folder)}: ${fault}`));
    faults.push(...files.flatMap((file) => findLong(relative(root, file), readFileSync(file, "utf8"))));
    faults.push(...findUndocumented(root, listEntryPoints(folder)));
  }
  for (const [folder, port] of Object.entries(ports)) faults.push(...checkPort(root, folder, port));
  faults.push(...findVocabularyFaultsBelow(root));
  return faults;
}

/** Checks that the vendor runs the contract on which the gateway relies. */
function checkContract(root: string, folder: string): string[] {
  const file = join(folder, "src/vendor.test.ts");
  if (existsSync(file) && readFileSync(file, "utf8").includes("vendorContract(")) return [];
  return [`${relative(root, file)} must run vendorContract, as every vendor does`];
}

/** Checks that every entry point names a source file and is published from the file built from it. */
function checkEntryPoints(root: string, folder: string): string[] {
  const at = relative(root, folder);
  const { name, exports = {}, publishConfig } = readManifest(folder);
  const faults: string[] = [];
  for (const [entryPoint, source] of Object.entries(exports)) {
    const published = publishConfig?.exports?.[entryPoint];
    if (!existsSync(join(folder, source)))
      faults.push(`${at}: the entry point "${entryPoint}" names ${source}, which does not exist`);
    if (!source.endsWith(".ts")) {
      if (published !== source) faults.push(`${at}: publishConfig.exports must have "${entryPoint}": "${source}"`);
      continue;
    }
    const built = source.replace("./src/", "./dist/").replace(/\.ts$/, "");
    if (typeof published !== "object" || published.types !== `${built}.d.ts` || published.default !== `${built}.js`) {
      faults.push(
        `${at}: publishConfig.exports must have "${entryPoint}" as { types: "${built}.d.ts", default: "${built}.js" }`,
      );
    }
  }
  for (const entryPoint of Object.keys(publishConfig?.exports ?? {})) {
    if (!(entryPoint in exports)) faults.push(`${at}: publishConfig.exports has "${entryPoint}", which exports lacks`);
  }
  for (const [dependency, range] of Object.entries(readManifest(folder).dependencies ?? {})) {
    if (dependency.startsWith("@reinstate/") && range !== "workspace:^") {
      faults.push(`${at}: ${name} must depend on ${dependency} by workspace:^ (it says ${range})`);
    }
  }
  return faults;
}

/** Checks that imports follow gateway → vendor → batch-core. */
function checkImports(root: string, folder: string, vendors: string[]): string[] {
  const at = relative(root, folder);
  const isVendor = vendors.some((vendor) => at === join("packages", vendor));
  const allowed = at === "apps/gateway" ? [...vendors, "batch-core"] : isVendor ? ["batch-core"] : [];
  const { exports = {} } = readManifest(folder);
  // Only tests use testing/, unless the package publishes it.
  const testFile = "./testing" in exports ? /\.test(\.fixture)?\.ts$/ : /\.test(\.fixture)?\.ts$|\/src\/testing\//;
  const faults: string[] = [];
  for (const file of listSources(join(folder, "src"))) {
    const isTest = testFile.test(file);
    for (const specifier of listImports(file)) {
      const sibling = /^@reinstate\/([^/]+)/.exec(specifier)?.[1];
      if (sibling === undefined || (isTest && sibling === "tooling")) continue;
      if (!allowed.includes(sibling)) faults.push(`${relative(root, file)} imports ${specifier}, against the arrows`);
    }
    for (const specifier of listImports(file)) {
      if (!specifier.startsWith(".")) continue;
      const target = resolve(dirname(file), specifier);
      if (relative(folder, target).startsWith(".."))
        faults.push(`${relative(root, file)} reaches out of its package: ${specifier}`);
    }
  }
  return faults;
}

/** Checks that the rest of a package imports a folder only through its port. Types and tests count. */
function checkPort(root: string, folder: string, port: string): string[] {
  if (!existsSync(join(root, folder, port))) return [`${folder} lacks its port ${port}`];
  const inside = (file: string) => relative(root, file).startsWith(`${folder}/`);
  const faults: string[] = [];
  for (const file of listSources(join(root, dirname(folder))).filter((file) => !inside(file))) {
    for (const specifier of readSpecifiers(readFileSync(file, "utf8"), { types: true })) {
      const target = resolve(dirname(file), specifier);
      if (specifier.startsWith(".") && inside(target) && relative(join(root, folder), target) !== port) {
        faults.push(`${relative(root, file)} imports ${specifier}; import ${folder}/${port}`);
      }
    }
  }
  return faults;
}

/** Checks that a client imports no server code, because programs without a server use it. */
function checkClient(root: string, folder: string): string[] {
  const start = join(folder, "src/client.ts");
  if (!existsSync(start)) return [];
  const faults: string[] = [];
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file) || !existsSync(file)) return;
    seen.add(file);
    const name = relative(join(folder, "src"), file);
    if (/^(vendor|create|demo)\.ts$|^(operations|store)\/|(^|\/)(routes|rules)\.ts$/.test(name)) {
      faults.push(`${relative(root, start)} reaches ${name}, which belongs to the server`);
    }
    for (const specifier of listImports(file)) {
      if (specifier.startsWith(".")) visit(resolve(dirname(file), specifier));
      if (
        ["kysely", "pg", "mysql2", "hono", "@reinstate/batch-core"].includes(
          specifier.replace(/\/(promise|sqlite)$/, ""),
        )
      ) {
        faults.push(`${relative(root, start)} reaches ${specifier} through ${name}, which belongs to the server`);
      }
    }
  };
  visit(start);
  return faults;
}

function checkFileNames(root: string, folder: string): string[] {
  return listSources(join(folder, "src"))
    .filter((file) => emptyNames.test(file.split("/").at(-1) ?? "") || /[A-Z_]/.test(file.split("/").at(-1) ?? ""))
    .map((file) => `${relative(root, file)}: name it in kebab-case after what is in it`);
}

const listImports = (file: string) => readSpecifiers(readFileSync(file, "utf8"), { types: false });

/** Lists the TypeScript sources below a folder. */
const listSources = (folder: string) =>
  listFiles(folder, "").flatMap((path) => (/\.tsx?$/.test(path) ? [join(folder, path)] : []));

/** Lists the source files that a package exports. */
const listEntryPoints = (folder: string) =>
  Object.values(readManifest(folder).exports ?? {})
    .filter((source) => source.endsWith(".ts"))
    .map((source) => join(folder, source));

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}
