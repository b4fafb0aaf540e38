import { invalidRequest, type ReinstateError } from "../errors/errors.ts";
import type { Host } from "../host.ts";
import type { Target } from "../operation/operation.ts";

/** A vendor's declaration of its accounts. */
export interface VendorAccounts {
  /** The first part of the names of its operations: `firstpromoter`. */
  name: string;
  label: string;
  /** Whether each of its records belongs to an account. */
  accounts: boolean;
  /** Whether an account has records here. */
  hasAccount?(account: string): Promise<boolean>;
}

/**
 * Checks the account of a new batch, so that a slip is not taken for a batch of records that are not there. Throws
 * `invalid_request` if the vendor has accounts and none is named, if a batch on our own records names one that has neither
 * keys nor records, or if the vendor has no accounts and one is named. A vendor that is not declared is not checked.
 */
export async function checkAccount(
  host: Host,
  vendors: readonly VendorAccounts[],
  { operation, target, account }: { operation: string; target: Target; account: string },
): Promise<void> {
  const vendor = vendors.find(({ name }) => operation.startsWith(`${name}.`));
  if (!vendor) return;
  const { name, label, accounts, hasAccount } = vendor;
  if (!accounts) {
    if (account !== "") throw wrong(`is not for ${label}, which has no accounts; leave it out`);
    return;
  }
  if (account === "") throw wrong(`is required; name the account of ${label} whose records are meant`);
  if (target !== "local" || (await host.keys.knowsAccount(name, account)) || (await hasAccount?.(account))) return;
  throw wrong(`"${account.slice(0, 100)}" has neither keys nor records of ${label}; check its spelling`);
}

const wrong = (message: string): ReinstateError => invalidRequest({ path: "account", message });
