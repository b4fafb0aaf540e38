import { findManifest } from "../terminal/manifest.ts";

/** The packages of the vendors among the dependencies of the gateway. */
const vendorPackage = /^@reinstate\/(?!batch-core$)(.+)$/;

/** Returns the names of all vendors, without loading their packages if the manifest of the gateway names them. */
export async function findVendorNames(): Promise<string[]> {
  const dependencies = Object.keys(findManifest()?.dependencies ?? {});
  const named = dependencies.flatMap((dependency) => vendorPackage.exec(dependency)?.[1] ?? []);
  if (named.length > 0) return named;
  const { listVendors } = await import("./find-operation.ts");
  return listVendors();
}
