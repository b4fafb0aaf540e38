import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { packPackages } from "./pack.ts";
import { listPublished } from "./workspace.ts";

const run = promisify(execFile);

/** The report of npm on a tarball that it has not published. */
export interface DryRun {
  id: string;
  size: number;
  unpackedSize: number;
  integrity: string;
  files: { path: string }[];
}

/**
 * Runs `npm publish --dry-run` with provenance on a tarball: everything except the upload and the attestation, which need an account
 * and a CI with OIDC.
 *
 * @throws Error if npm rejects the tarball or would correct its manifest.
 */
export async function dryRunPublish(tarball: string): Promise<DryRun> {
  // npm checks the manifest of a folder, but not that of a tarball.
  const folder = mkdtempSync(join(tmpdir(), "reinstate-unpacked-"));
  try {
    await run("tar", ["-xzf", tarball, "-C", folder]);
    const options = ["--dry-run", "--json", "--ignore-scripts", "--provenance", "--access", "public"];
    const { stdout, stderr } = await run("npm", ["publish", ...options], { cwd: join(folder, "package") });
    const warnings = stderr
      .split("\n")
      .filter(
        (line) => /^npm warn (publish|package-json)/.test(line) && !line.includes("requires you to be logged in"),
      );
    if (warnings.length > 0) throw new Error(`npm would change ${tarball}:\n${warnings.join("\n")}`);
    const [published] = Object.values(JSON.parse(stdout) as Record<string, DryRun>);
    if (!published) throw new Error(`npm would publish nothing of ${tarball}`);
    return published;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Packs every package and runs the dry run of each. Prints a table, and throws at the first that fails. */
async function dryRunAll(root: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-publish-"));
  try {
    const tarballs = await packPackages(root, listPublished(root), folder);
    const rows: string[] = [];
    for (const [path, tarball] of Object.entries(tarballs)) {
      const { name, version } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as {
        name: string;
        version: string;
      };
      const { id, size, unpackedSize, integrity, files } = await dryRunPublish(tarball);
      if (id !== `${name}@${version}`) throw new Error(`${tarball} is ${id}, not ${name}@${version}`);
      rows.push(`| ${id} | ${files.length} | ${size} | ${unpackedSize} | ${integrity.slice(0, 20)}… |`);
    }
    const head = "| package | files | bytes | unpacked | integrity |\n| --- | --- | --- | --- | --- |";
    process.stdout.write(`${head}\n${rows.join("\n")}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [, program = ""] = process.argv;
if (import.meta.url === pathToFileURL(program).href) await dryRunAll(fileURLToPath(new URL("../..", import.meta.url)));
