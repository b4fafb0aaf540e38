import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Builds and packs packages.
 *
 * @param root - The root of the repository.
 * @param paths - The packages, relative to the root.
 * @param target - The folder for the tarballs.
 * @param options - Options of turbo. `--force` builds again what was built before.
 * @returns the tarball of each package by its path.
 */
export async function packPackages(
  root: string,
  paths: readonly string[],
  target: string,
  ...options: string[]
): Promise<Record<string, string>> {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { packageManager: string };
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1" };
  const filters = paths.flatMap((path) => ["--filter", `./${path}`]);
  const build = ["run", "build", "--output-logs=errors-only", ...options, ...filters];
  await run(join(root, "node_modules/.bin/turbo"), build, { cwd: root, env });
  await run("npx", ["-y", packageManager, ...filters, "-r", "pack", "--pack-destination", target], { cwd: root });
  const files = readdirSync(target);
  return Object.fromEntries(
    paths.map((path) => {
      const name = files.find((file) => new RegExp(`^reinstate-${basename(path)}-\\d.*\\.tgz$`).test(file));
      return [path, join(target, name ?? `${path} was not packed`)];
    }),
  );
}
