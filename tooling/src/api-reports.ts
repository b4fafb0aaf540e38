import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import apiExtractor from "@microsoft/api-extractor";
import { listPublished } from "./workspace.ts";

const { CompilerState, Extractor, ExtractorConfig, ExtractorLogLevel } = apiExtractor;

/** The folder of the reports, from the root of the repository. */
const reportFolder = "tooling/api";

/** An entry point of a built package. */
interface EntryPoint {
  /** Its package's folder, from the root. */
  path: string;
  /** As callers import it. */
  specifier: string;
  /** Its declarations. */
  types: string;
}

function listEntryPoints(root: string): EntryPoint[] {
  return listPublished(root).flatMap((path) => {
    const { name, publishConfig } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as {
      name: string;
      publishConfig: { exports: Record<string, { types?: string }> };
    };
    return Object.entries(publishConfig.exports).flatMap(([exported, { types }]) =>
      types === undefined ? [] : { path, specifier: join(name, exported), types: join(root, path, types) },
    );
  });
}

/**
 * Returns the API report of every entry point of the built packages, by file name: all public declarations, and those that they
 * refer to.
 *
 * @throws Error if the declarations have a fault.
 */
export function renderApiReports(root: string): Map<string, string> {
  const entryPoints = listEntryPoints(root);
  const target = mkdtempSync(join(tmpdir(), "reinstate-api-"));
  try {
    const configs = entryPoints.map((entryPoint) => prepare(root, entryPoint, entryPoints, target));
    const [first] = configs;
    if (!first) throw new Error("No package has declarations; run the build first");
    // Performance: all entry points share one program, so each declaration is read once.
    const compilerState = CompilerState.create(first, { additionalEntryPoints: entryPoints.map(({ types }) => types) });
    for (const config of configs) {
      const { succeeded } = Extractor.invoke(config, {
        localBuild: true,
        compilerState,
        messageCallback(message) {
          if (message.logLevel === ExtractorLogLevel.Error) throw new Error(message.formatMessageWithLocation(root));
          message.handled = true;
        },
      });
      if (!succeeded) throw new Error(`No API report of ${config.mainEntryPointFilePath}`);
    }
    const reports = join(target, "reports");
    return new Map(
      readdirSync(reports)
        .sort()
        .map((file) => [file, readFileSync(join(reports, file), "utf8")]),
    );
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

function prepare(
  root: string,
  { path, specifier, types }: EntryPoint,
  entryPoints: readonly EntryPoint[],
  target: string,
) {
  const compilerOptions = {
    ...(JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as { compilerOptions: object }).compilerOptions,
    lib: ["es2024", "esnext.disposable", "dom", "dom.iterable"],
    typeRoots: [join(root, "node_modules/@types")],
    // Siblings are read as they are published.
    paths: Object.fromEntries(entryPoints.map((entryPoint) => [entryPoint.specifier, [entryPoint.types]])),
  };
  const written = join(target, "reports");
  mkdirSync(written, { recursive: true });
  return ExtractorConfig.prepare({
    configObject: {
      projectFolder: join(root, path),
      mainEntryPointFilePath: types,
      compiler: { overrideTsconfig: { compilerOptions, files: [types] }, skipLibCheck: true },
      apiReport: {
        enabled: true,
        reportFolder: written,
        reportTempFolder: join(target, "work"),
        reportFileName: specifier.replace("@reinstate/", "").replace("/", "-"),
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: "lf",
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
        extractorMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, path, "package.json"),
  });
}

/** Returns the stored reports by file name. */
function readApiReports(root: string): Map<string, string> {
  const folder = join(root, reportFolder);
  return new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]));
}

/** Returns the lines that differ between two sets of reports, below the name of each report that differs. */
export function listApiChanges(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((file) => {
    if (before.get(file) === after.get(file)) return [];
    const [oldLines = [], lines = []] = [before, after].map((reports) => reports.get(file)?.split("\n"));
    return [
      file,
      ...listMissing(oldLines, lines).map((line) => `- ${line}`),
      ...listMissing(lines, oldLines).map((line) => `+ ${line}`),
    ];
  });
}

/** Returns the lines of a text that another one does not have, without empty ones. */
const listMissing = (lines: readonly string[], others: readonly string[]) =>
  lines.filter((line) => line !== "" && !others.includes(line));

function main(root: string, option: string | undefined): void {
  const reports = renderApiReports(root);
  const folder = join(root, reportFolder);
  if (option === "--check") {
    const changes = listApiChanges(readApiReports(root), reports);
    if (changes.length === 0) return;
    process.stdout.write(`${changes.join("\n")}\nAfter a wanted change, run pnpm api-reports\n`);
    process.exitCode = 1;
    return;
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of reports) writeFileSync(join(folder, file), text);
}

// `node api-reports.ts` stores the reports of the built packages. With `--check` it fails instead if one has changed.
const [, program = "", option] = process.argv;
if (import.meta.url === pathToFileURL(program).href) main(fileURLToPath(new URL("../..", import.meta.url)), option);
