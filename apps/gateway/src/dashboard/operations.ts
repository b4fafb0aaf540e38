import type { AnyOperation, Host, Target, Vendor } from "@reinstate/batch-core";
import { formatOperation } from "./format.ts";

/** An operation as the pages offer it. */
export interface OperationChoice {
  name: string;
  target: Target;
  /** The form value of operation and target. */
  value: string;
  /** `Restore promoters` */
  title: string;
  /** The label of the vendor. */
  vendor: string;
  /** The vendor has accounts. */
  accounts: boolean;
  operation: AnyOperation;
}

/** Lists the operations of all vendors, in the order of the vendors. */
export function listOperations(host: Host, vendors: readonly Vendor[]): OperationChoice[] {
  return vendors.flatMap(({ name: vendor, label, accounts = false }) =>
    host
      .operations()
      .filter(({ name }) => name.startsWith(`${vendor}.`))
      .sort((a, b) => rank(a) - rank(b))
      .map((operation) => ({
        name: operation.name,
        target: operation.target,
        value: `${operation.name}@${operation.target}`,
        title: formatOperation(operation.label),
        vendor: label,
        accounts,
        operation,
      })),
  );
}

/** Restoring comes first, then archiving, then everything else by name. */
const rank = ({ role }: AnyOperation): number => (role === "restore" ? 0 : role === "archive" ? 1 : 2);

/** Reports whether the operation can show what it would do. */
export const canDryRun = ({ effects, preview }: AnyOperation): boolean => effects === "ledger" || preview !== undefined;
