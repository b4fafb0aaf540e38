import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildFile, readBuild } from "../../apps/gateway/src/cli/terminal/version.ts";

/** Writes version and commit beside a built gateway, which `reinstate --version` prints. */
export function writeBuild(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, buildFile), `${JSON.stringify(readBuild())}\n`);
}

// `node write-build.ts FOLDER`, when the package is packed: a build may be older than the commit.
const [, program = "", folder] = process.argv;
if (import.meta.url === pathToFileURL(program).href && folder !== undefined) writeBuild(folder);
