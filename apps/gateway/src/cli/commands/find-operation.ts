import type { OperationReply } from "../service/replies.ts";
import { wrongUse } from "../terminal/failure.ts";

export interface Wanted {
  role: "restore" | "archive";
  vendor: string;
  target: "local" | "upstream";
}

/** Returns the vendor of an operation. */
export const vendorName = (operation: string) => operation.split(".", 1)[0] ?? "";

/** Finds the operation behind `restore` or `archive` of a vendor. */
export function findOperation(operations: readonly OperationReply[], { role, vendor, target }: Wanted): OperationReply {
  const fitting = operations.filter(({ name, role: own }) => vendorName(name) === vendor && own === role);
  const found = fitting.find((operation) => operation.target === target);
  if (found) return found;
  const vendors = [...new Set(operations.filter((own) => own.role === role).map(({ name }) => vendorName(name)))];
  if (!vendors.includes(vendor))
    throw wrongUse(`There is no vendor ${vendor} to ${role}`, `choose one of ${vendors.join(", ")}`);
  throw wrongUse(
    `${vendor} has no target ${target}`,
    `set the address and the key of the real vendor: settings that begin with REINSTATE_${vendor.toUpperCase()}_UPSTREAM`,
    "no upstream is configured",
  );
}
