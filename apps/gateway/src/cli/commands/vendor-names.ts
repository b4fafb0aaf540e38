import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The packages of the vendors among the dependencies of the gateway. */
const vendorPackage = /^@reinstate\/(?!batch-core$)(.+)$/;

/** Returns the names of all vendors, without loading their packages if the manifest of the gateway names them. */
export async function findVendorNames(): Promise<string[]> {
  const named = readManifestNames(dirname(fileURLToPath(import.meta.url)));
  if (named.length > 0) return named;
  const { listVendors } = await import("./find-operation.ts");
  return listVendors();
}

function readManifestNames(folder: string): string[] {
  const path = join(folder, "package.json");
  if (!existsSync(path)) return dirname(folder) === folder ? [] : readManifestNames(dirname(folder));
  const { name, dependencies = {} } = JSON.parse(readFileSync(path, "utf8")) as {
    name?: string;
    dependencies?: Record<string, string>;
  };
  if (name !== "@reinstate/gateway") return [];
  return Object.keys(dependencies).flatMap((dependency) => vendorPackage.exec(dependency)?.[1] ?? []);
}
