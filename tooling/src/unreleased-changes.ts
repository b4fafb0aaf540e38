import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { listPublished } from "./workspace.ts";

// A changed source that no changeset names would never be released.

/**
 * Returns one line for each published package whose sources changed without a changeset that names it. An empty changeset states that
 * nothing of the branch concerns users, so it stands for all packages.
 *
 * On a branch, changes since it left the base branch count; on the base branch, those since the package's last release. Both include
 * files that are not committed yet.
 */
export function listUnreleasedChanges(root: string): string[] {
  if (!hasHistory(root)) return [];
  const branchPoint = findBranchPoint(root);
  return listPublished(root).flatMap((path) => {
    const { name, version } = readJson<{ name: string; version: string }>(join(root, path, "package.json"));
    const base = branchPoint ?? findRelease(root, `${name}@${version}`);
    const changed = listChangedFiles(root, base);
    const sources = changed.filter((file) => file.startsWith(`${path}/src/`) && !file.endsWith(".test.ts"));
    if (sources.length === 0 || changed.some((file) => isChangesetFor(root, file, name))) return [];
    const place = sources.length === 1 ? sources[0] : `${sources[0]} and ${sources.length - 1} more files`;
    return [`${name}: ${place} changed since ${base.slice(0, 12)} without a changeset; run pnpm changeset`];
  });
}

/** Reports whether a folder has commits that git can read. */
const hasHistory = (root: string) =>
  existsSync(join(root, ".git")) && tryGit(root, "rev-parse", "--verify", "HEAD") !== undefined;

const readJson = <T>(file: string) => JSON.parse(readFileSync(file, "utf8")) as T;

function git(root: string, ...args: string[]): string {
  return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

function tryGit(root: string, ...args: string[]): string | undefined {
  try {
    return git(root, ...args);
  } catch {
    return undefined;
  }
}

/** Returns the commit at which the current branch left the base branch, if it has commits of its own or the base is elsewhere. */
function findBranchPoint(root: string): string | undefined {
  const { baseBranch } = readJson<{ baseBranch: string }>(join(root, ".changeset/config.json"));
  const head = git(root, "rev-parse", "HEAD");
  for (const branch of [baseBranch, `origin/${baseBranch}`]) {
    const point = tryGit(root, "merge-base", "HEAD", branch);
    if (point !== undefined && point !== head) return point;
  }
  return undefined;
}

/** Returns the tag of a release, or the first commit before there is one. */
function findRelease(root: string, tag: string): string {
  const known = tryGit(root, "rev-parse", "--verify", "--quiet", `refs/tags/${tag}`);
  return known === undefined ? (git(root, "rev-list", "--max-parents=0", "HEAD").split("\n")[0] ?? "HEAD") : tag;
}

function listChangedFiles(root: string, base: string): string[] {
  const tracked = git(root, "diff", "--name-only", "--no-renames", base);
  const untracked = git(root, "ls-files", "--others", "--exclude-standard");
  return `${tracked}\n${untracked}`.split("\n").filter((file) => file !== "");
}

function isChangesetFor(root: string, file: string, name: string): boolean {
  if (!/^\.changeset\/[^/]+\.md$/.test(file) || file.endsWith("/README.md") || !existsSync(join(root, file)))
    return false;
  const [, head = ""] = readFileSync(join(root, file), "utf8").split(/^---$/m);
  return head.trim() === "" || new RegExp(`^["']?${name}["']?:`, "m").test(head);
}

const [, program = ""] = process.argv;
if (import.meta.url === pathToFileURL(program).href) {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  if (!hasHistory(root)) process.stdout.write("Changesets are not checked, because there is no git history\n");
  const faults = listUnreleasedChanges(root);
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
