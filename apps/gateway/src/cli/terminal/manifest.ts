import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The parts of the gateway's package.json that the command line reads. */
export interface Manifest {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
}

/** Finds the package.json of the gateway above this file. A bundle of one file has none. */
export function findManifest(folder = dirname(fileURLToPath(import.meta.url))): Manifest | undefined {
  const path = join(folder, "package.json");
  const manifest = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Manifest) : undefined;
  if (manifest?.name === "@reinstate/gateway") return manifest;
  return dirname(folder) === folder ? undefined : findManifest(dirname(folder));
}
