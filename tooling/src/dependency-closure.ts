import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** The parts of the lock file that name runtime dependencies. */
export interface Lockfile {
  importers: Record<string, { dependencies?: Record<string, { version: string }> }>;
  snapshots: Record<string, { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> }>;
}

/** A package of another project that a published package needs at run time. */
export interface Dependency {
  name: string;
  version: string;
}

/** Reads the lock file. */
export function readLockfile(root: string): Lockfile {
  return parse(readFileSync(join(root, "pnpm-lock.yaml"), "utf8")) as Lockfile;
}

/**
 * Returns all runtime dependencies of a published package, direct and indirect, as the lock file resolves them: peers
 * included, sorted, without the packages of this repository.
 *
 * @param path - The package, relative to the root.
 */
export function listRuntimeDependencies(lockfile: Lockfile, path: string): Dependency[] {
  const found = new Map<string, Dependency>();
  const visited = new Set<string>();

  function visitImporter(importer: string): void {
    for (const [name, { version }] of Object.entries(lockfile.importers[importer]?.dependencies ?? {})) {
      if (version.startsWith("link:")) visitImporter(join(importer, version.slice("link:".length)));
      else visit(name, version);
    }
  }

  function visit(name: string, resolved: string): void {
    const key = `${name}@${resolved}`;
    if (visited.has(key)) return;
    visited.add(key);
    const snapshot = lockfile.snapshots[key];
    if (!snapshot) throw new Error(`pnpm-lock.yaml has no ${key}`);
    // Behind the version, in brackets, are the peers.
    const version = resolved.replace(/\(.*/, "");
    found.set(`${name}@${version}`, { name, version });
    for (const [inner, innerVersion] of Object.entries({ ...snapshot.dependencies, ...snapshot.optionalDependencies }))
      visit(inner, innerVersion);
  }

  visitImporter(path);
  return [...found.keys()].sort().flatMap((key) => found.get(key) ?? []);
}

/** Returns the licence that an installed package declares. */
export function readLicence(root: string, { name, version }: Dependency): string | undefined {
  const store = join(root, "node_modules/.pnpm");
  const start = `${name.replace("/", "+")}@${version}`;
  const folder = readdirSync(store).find((entry) => entry === start || entry.startsWith(`${start}_`));
  const file = join(store, folder ?? start, "node_modules", name, "package.json");
  if (!existsSync(file)) return undefined;
  return (JSON.parse(readFileSync(file, "utf8")) as { license?: string }).license;
}
