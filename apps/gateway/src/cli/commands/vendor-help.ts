import { vendorNames } from "../../load-vendors.ts";
import { openCatalog } from "../service/local.ts";
import { openRemote, readKey } from "../service/remote.ts";
import { wrongUse } from "../terminal/failure.ts";
import { findOperation } from "./find-operation.ts";
import { createVendorCommand, type Role } from "./move-records.ts";
import type { RecordOptions } from "./record-options.ts";

/** Prints the help of `restore` or `archive` for one vendor, with the options of its operation. */
export async function printVendorHelp(role: Role, args: readonly string[], options: RecordOptions): Promise<void> {
  const named = args.filter((arg) => !arg.startsWith("-"));
  const vendor = named.find((arg) => vendorNames.includes(arg)) ?? named[0] ?? "";
  const { server, target } = options;
  if (server === undefined && !vendorNames.includes(vendor)) {
    throw wrongUse(`There is no vendor ${vendor}`, `choose one of ${vendorNames.join(", ")}`);
  }
  const service = server === undefined ? await openCatalog(vendor) : openRemote(server, await readKey(options));
  try {
    const operations = await service.operations();
    // Without an upstream in the settings, the operation on our own records has the same params.
    const hasTarget = operations.some((operation) => operation.target === target && operation.role === role);
    const operation = findOperation(operations, { role, vendor, target: hasTarget ? target : "local" });
    createVendorCommand(role, vendor, operation).outputHelp();
  } finally {
    await service.close();
  }
}
