import { invalidRequest, type ReinstateError } from "../errors/errors.ts";
import type { Keys } from "../keys/keys.ts";
import type { Target } from "../operation/operation.ts";

/** A vendor's declaration of its accounts. */
export interface VendorAccounts {
  /** The first part of the names of its operations: `firstpromoter`. */
  vendor: string;
  label: string;
  /** Returns whether an account has records here. Absent if the vendor has no accounts. */
  hasAccount?(account: string): Promise<boolean>;
}

/** The part of a request that the check reads. */
export interface AccountRequest {
  operation: string;
  target?: Target;
  account?: string;
}

/** Checks the account of every new batch, so that a slip is not taken for a batch of records that are not there. */
export interface AccountCheck {
  declare(accounts: VendorAccounts): void;
  /**
   * Resolves for an account that fits. A vendor that has declared nothing is not checked.
   * @throws ReinstateError `invalid_request` if the vendor has accounts and none is named, if a batch on our own records names one
   * that has neither keys nor records, or if the vendor has no accounts and one is named.
   */
  check(request: AccountRequest): Promise<void>;
}

/** Known accounts that are remembered, because every call of a vendor's API makes a batch. */
const maxKnown = 10_000;

export function createAccountCheck(keys: Pick<Keys, "knowsAccount">): AccountCheck {
  const declared = new Map<string, VendorAccounts>();
  const known = new Set<string>();

  async function isKnown({ vendor, hasAccount }: VendorAccounts, account: string): Promise<boolean> {
    const name = `${vendor} ${account}`;
    if (known.has(name)) return true;
    if (!(await keys.knowsAccount(vendor, account)) && !(await hasAccount?.(account))) return false;
    if (known.size >= maxKnown) known.clear();
    known.add(name);
    return true;
  }

  return {
    declare: (accounts) => void declared.set(accounts.vendor, accounts),

    async check({ operation, target = "local", account = "" }) {
      const vendor = declared.get(operation.split(".", 1)[0] as string);
      if (!vendor) return;
      const { label } = vendor;
      if (!vendor.hasAccount) {
        if (account !== "") throw wrong(`is not for ${label}, which has no accounts; leave it out`);
        return;
      }
      if (account === "") throw wrong(`is required; name the account of ${label} whose records are meant`);
      if (target !== "local" || (await isKnown(vendor, account))) return;
      throw wrong(`"${account.slice(0, 100)}" has neither keys nor records of ${label}; check its spelling`);
    },
  };
}

const wrong = (message: string): ReinstateError => invalidRequest({ path: "account", message });
