import type { Vendor } from "@reinstate/batch-core";
import * as exported from "./vendors.ts";

const packages: Record<string, () => Promise<Record<string, unknown>>> = exported;

/** Names of all vendors of the gateway. */
export const vendorNames: readonly string[] = Object.keys(packages).sort();

/** Loads the packages of the vendors among `names`; of all vendors by default. Unknown names are skipped. */
export function loadVendors(names: readonly string[] = vendorNames): Promise<Vendor[]> {
  const wanted = vendorNames.filter((name) => names.includes(name));
  return Promise.all(wanted.map(async (name) => (await packages[name]?.())?.[name] as Vendor));
}
