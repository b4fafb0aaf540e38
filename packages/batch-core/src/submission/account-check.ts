import { invalidRequest, type ReinstateError } from "../errors/errors.ts";
import type { Keys } from "../keys/keys.ts";
import type { Target } from "../operation/operation.ts";

/** A vendor's declaration of its accounts. */
export interface VendorAccounts {
  /** The first part of the names of its operations, for example `firstpromoter`. */
  vendor: string;
  label: string;
  /** Reports whether an account has records here. Absent if the vendor has no accounts. */
  hasAccount?(account: string): Promise<boolean>;
}

/** The part of a request that the check reads. */
export interface AccountRequest {
  operation: string;
  target?: Target;
  account?: string;
}

/** Checks the account of every new batch, so a misspelt account does not look like one without records. */
export interface AccountCheck {
  declare(accounts: VendorAccounts): void;
  /**
   * Resolves if the account is valid. A vendor without a declaration is not checked.
   *
   * @throws ReinstateError `invalid_request` if the vendor has accounts and the request names none, if the vendor has no accounts and
   * the request names one, or if a local batch names an account without keys and records
   */
  check(request: AccountRequest): Promise<void>;
}

/** Size of the cache of known accounts. Every call of a vendor's API creates a batch, so lookups are frequent. */
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
        if (account !== "") throw accountError(`is not for ${label}, which has no accounts; leave it out`);
        return;
      }
      if (account === "") throw accountError(`is required; name the account of ${label} whose records are meant`);
      if (target !== "local" || (await isKnown(vendor, account))) return;
      throw accountError(
        `"${account.slice(0, 100)}" has neither keys nor records of ${label}; check its spelling, or import its records`,
      );
    },
  };
}

const accountError = (message: string): ReinstateError => invalidRequest({ path: "account", message });
