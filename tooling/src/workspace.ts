import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Returns the names of the packages in a folder, in alphabetical order. */
export function listPackages(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "package.json")))
    .map((entry) => entry.name)
    .sort();
}

/** Returns the paths, relative to the root of the repository, of what is published: the packages, then the apps. */
export function listPublished(root: string): string[] {
  return ["packages", "apps"].flatMap((folder) => listPackages(join(root, folder)).map((name) => `${folder}/${name}`));
}

/** Lists the files below a folder, with paths relative to `root`, without what is installed or built. */
export function listFiles(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (/^(node_modules|dist|\.turbo)$/.test(entry.name)) return [];
    return entry.isDirectory() ? listFiles(root, path) : [path];
  });
}
