import type { VendorInstance } from "../../vendor/vendor.ts";
import { checkAccounts } from "./accounts.ts";
import { checkDeclarations } from "./declarations.ts";
import { checkErrors } from "./errors.ts";
import { checkImport } from "./import.ts";
import { checkInspection } from "./inspection.ts";
import { checkSafetyFlags } from "./safety-flags.ts";
import { checkDemo, checkSettings } from "./settings-and-demo.ts";
import type { VendorUnderTest } from "./tested-vendor.ts";
import { checkUndo } from "./undo.ts";

/** One guarantee of a vendor. `check` rejects if the vendor breaks it. */
export interface VendorPromise {
  name: string;
  check(databaseUrl: string): Promise<void>;
}

/**
 * Returns the guarantees that a gateway relies on, those that apply to the vendor: settings, demo, undo, inspection, accounts, import,
 * errors, safety flags, declarations. Each check starts the vendor on the database that it is given, which must be empty.
 *
 * @example
 * test.each(vendorContract({ vendor: zendesk, calls, authorize, isError }))("$name", ({ check }) => check("sqlite::memory:"));
 */
export function vendorContract<Settings, Instance extends VendorInstance>(
  tested: VendorUnderTest<Settings, Instance>,
): VendorPromise[] {
  const { vendor } = tested;
  return [
    { name: "reads settings from texts and rejects unknown ones", check: async () => checkSettings(vendor.settings) },
    { name: "loads its demo once and restores by its curl", check: (url) => checkDemo(tested, url) },
    { name: "undoes what its demo has restored", check: (url) => checkUndo(tested, url) },
    { name: "declares each path, route and operation once", check: (url) => checkDeclarations(tested, url) },
    { name: "inspects its targets and shows no secret", check: (url) => checkInspection(tested, url) },
    { name: "reports errors in its own form on every route", check: (url) => checkErrors(tested, url) },
    { name: "rejects an unclear safety flag on every change", check: (url) => checkSafetyFlags(tested, url) },
    ...(vendor.accounts
      ? [{ name: "keeps accounts apart on every route", check: (url: string) => checkAccounts(tested, url) }]
      : []),
    ...(vendor.import
      ? [{ name: "imports good lines and reports every bad one", check: (url: string) => checkImport(tested, url) }]
      : []),
  ];
}
