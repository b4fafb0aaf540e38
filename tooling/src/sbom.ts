import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Dependency, listRuntimeDependencies, readLockfile } from "./dependency-closure.ts";
import { listFiles, listPublished } from "./workspace.ts";

/** The first versions of pnpm with `sbom` are later than the one of the repository. */
const pnpm = "pnpm@12.21.0";

interface Sbom {
  components: { purl: string }[];
}

/**
 * Writes the software bill of materials of each published package, in CycloneDX's format: `gateway.cdx.json` and so on.
 *
 * @throws `Error` if a file does not list exactly the runtime dependencies of the lock file.
 */
export function writeSboms(root: string, folder: string, paths: readonly string[] = listPublished(root)): void {
  const copy = mkdtempSync(join(tmpdir(), "reinstate-sbom-"));
  try {
    copyManifests(root, copy);
    mkdirSync(folder, { recursive: true });
    const lockfile = readLockfile(root);
    for (const path of paths) {
      const file = join(folder, `${basename(path)}.cdx.json`);
      const { name } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as { name: string };
      const options = ["--lockfile-only", "--prod", "--sbom-format", "cyclonedx", "--filter", name, "--out", file];
      execFileSync("npx", ["-y", pnpm, "sbom", ...options], { cwd: copy, stdio: ["ignore", "ignore", "inherit"] });
      const faults = compareSbom(
        JSON.parse(readFileSync(file, "utf8")) as Sbom,
        listRuntimeDependencies(lockfile, path),
      );
      if (faults.length > 0) throw new Error(`${file} differs from pnpm-lock.yaml: ${faults.join(", ")}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Copies what names dependencies. */
function copyManifests(root: string, copy: string): void {
  const manifests = ["packages", "apps", "tooling", "bench", "examples"]
    .flatMap((folder) => listFiles(root, folder))
    .filter((file) => basename(file) === "package.json");
  for (const file of ["package.json", "pnpm-workspace.yaml", ...manifests]) cpSync(join(root, file), join(copy, file));
  // The builds of Node name one platform as a text, and this pnpm reads only lists.
  const text = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
  writeFileSync(join(copy, "pnpm-lock.yaml"), text.replace(/^( {4}(?:os|cpu|libc): )([\w-]+)$/gm, "$1[$2]"));
}

/** Returns the dependencies that only one side lists. */
export function compareSbom({ components }: Sbom, dependencies: readonly Dependency[]): string[] {
  const listed = new Set(components.map(({ purl }) => decodeURIComponent(purl.replace("pkg:npm/", ""))));
  const own = [...listed].filter((name) => name.startsWith("@reinstate/"));
  const expected = new Set([...dependencies.map(({ name, version }) => `${name}@${version}`), ...own]);
  const missing = [...expected].filter((name) => !listed.has(name));
  return [...missing, ...[...listed].filter((name) => !expected.has(name))].sort();
}

// `node sbom.ts [FOLDER]`
const [, program = "", folder = "sbom"] = process.argv;
if (import.meta.url === pathToFileURL(program).href)
  writeSboms(fileURLToPath(new URL("../..", import.meta.url)), resolve(folder));
