import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/**
 * Returns what differs between two tarballs of one package, one line for each file; nothing if they are the same bytes.
 *
 * @example compareTarballs("a/core-1.0.0.tgz", "b/core-1.0.0.tgz") // ["core-1.0.0.tgz: package/dist/x.js is only in the first"]
 */
export function compareTarballs(first: string, second: string): string[] {
  if (readFileSync(first).equals(readFileSync(second))) return [];
  const [before, after] = [readTarball(first), readTarball(second)];
  const lines = [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((path) => {
    const [old, now] = [before.get(path), after.get(path)];
    if (old === now) return [];
    if (old === undefined) return `${path} is only in the second`;
    return now === undefined ? `${path} is only in the first` : `${path} ${describeChange(old, now)}`;
  });
  if (lines.length === 0) lines.push("the files are equal, but their order, times or modes are not");
  return lines.map((line) => `${basename(first)}: ${line}`);
}

function describeChange(old: string, now: string): string {
  const [before, after] = [old.split("\n"), now.split("\n")];
  const at = before.findIndex((line, index) => line !== after[index]);
  const [was, is] = [before, after].map((lines) => JSON.stringify(lines[at]?.slice(0, 500)));
  return `differs in line ${at + 1}: ${was} and ${is}`;
}

/** Returns the text of each file of a tarball, by path. */
function readTarball(file: string): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-tarball-"));
  try {
    execFileSync("tar", ["-xzf", file, "-C", folder]);
    const paths = execFileSync("tar", ["-tzf", file], { encoding: "utf8" }).trim().split("\n");
    return new Map(paths.map((path) => [path, readFileSync(join(folder, path), "latin1")]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
