import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findManifest } from "./manifest.ts";

/** The source of a build. */
export interface Build {
  version: string;
  /** The commit, with `-dirty` if files had changed; `source` if there is no git history. */
  commit: string;
}

/** The file beside a built program that holds its {@link Build}. */
export const buildFile = "build.json";

const here = dirname(fileURLToPath(import.meta.url));

/** Returns what this program was built from. From source, the commit comes from git. */
export function readBuild(): Build {
  const built = join(here, buildFile);
  if (existsSync(built)) return JSON.parse(readFileSync(built, "utf8")) as Build;
  return { version: findManifest()?.version ?? "0.0.0", commit: describeCommit() ?? "source" };
}

/** Returns the commit of the repository of this source, if it has one. */
function describeCommit(): string | undefined {
  const root = join(here, "../../../../..");
  if (!import.meta.url.endsWith("/cli/terminal/version.ts") || !existsSync(join(root, ".git"))) return undefined;
  try {
    const args = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    // Without git, or in a repository that git refuses to read.
    return undefined;
  }
}

/** The releases of each maintained line of Node that fixed the known faults of its network protocols (security releases of July 2026). */
const patchedNodes: readonly (readonly [major: number, minor: number, patch: number])[] = [
  [22, 23, 2],
  [24, 18, 1],
  [26, 5, 1],
];

/**
 * Returns why a version of Node should be replaced, if it should.
 *
 * @example explainOldNode("24.18.0") // "Node 24.18.0 has known security faults; use 24.18.1 or later"
 */
export function explainOldNode(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const line = patchedNodes.find(([number]) => number === major);
  if (line) {
    const isPatched = minor > line[1] || (minor === line[1] && patch >= line[2]);
    return isPatched ? undefined : `Node ${version} has known security faults; use ${line.join(".")} or later`;
  }
  const [newest = 0] = patchedNodes.at(-1) ?? [];
  if (major > newest) return undefined;
  return `Node ${version} gets no security fixes any more; use ${patchedNodes.at(-2)?.join(".")} or later`;
}
