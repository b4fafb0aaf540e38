import { createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import { ownText, type Vendor, type VendorInstance } from "@reinstate/batch-core";
import { Command } from "commander";
import type { ZodType } from "zod";
import { vendors } from "../all-vendors.ts";
import { withVendors } from "./context.ts";
import { exitStatus } from "./terminal/exit-statuses.ts";
import { wrongUse } from "./terminal/failure.ts";
import { print } from "./terminal/output.ts";

const importing = vendors.filter((vendor) => vendor.import);

interface ImportFlags {
  account?: string;
  format?: string;
  json?: boolean;
  /** The options that vendors declare. */
  [option: string]: unknown;
}

/** Creates the command `import`, with the vendors that support it and their options. */
export function createImport(): Command {
  const command = new Command("reinstate import")
    .exitOverride()
    .configureHelp({ helpWidth: 80 })
    .configureOutput({ outputError() {} })
    .description("import records from NDJSON or CSV into a vendor's tables")
    .argument("<vendor>", importing.map(({ name }) => name).join(" or "))
    .argument("<file>", "path that ends in .ndjson or .csv; - reads standard input")
    .option("--account <id>", "account of the records, if the vendor has accounts")
    .option("--format <format>", "ndjson or csv, if the file name has no such ending")
    .option("--json", "one JSON line for each rejected line, and one at the end");
  const help = new Map<string, string[]>();
  for (const { name, import: declared } of importing) {
    for (const [option, schema] of Object.entries(declared?.options?.shape ?? {})) {
      const text = `${name}: ${(schema as ZodType).description ?? ""}`;
      help.set(option, [...(help.get(option) ?? []), text]);
    }
  }
  for (const [option, texts] of help) command.option(`--${flagName(option)} <${flagName(option)}>`, texts.join("; "));
  return command.action(importFile);
}

const flagName = (option: string) => option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Returns the vendor's options among the flags of a command. */
function vendorOptions({ label, import: declared }: Vendor, flags: ImportFlags): Record<string, unknown> {
  const options = declared?.options;
  const { account: _, format: __, json: ___, ...given } = flags;
  const unknownOption = Object.keys(given).find((option) => !Object.hasOwn(options?.shape ?? {}, option));
  if (unknownOption !== undefined) throw wrongUse(`${label} has no option --${flagName(unknownOption)}: leave it out`);
  const parsed = options?.safeParse(given);
  const issue = parsed?.error?.issues[0];
  if (issue) throw wrongUse(`--${flagName(issue.path.join("."))}: ${issue.message}`);
  return { ...parsed?.data };
}

/** Imports a file into a vendor's tables. Rejected lines are printed one by one; the others are stored. */
async function importFile(name: string, file: string, options: ImportFlags): Promise<void> {
  const vendor = importing.find((vendor) => vendor.name === name);
  if (!vendor?.import) throw wrongUse(`The vendor must be one of ${importing.map(({ name }) => name).join(", ")}`);
  if (vendor.accounts && !options.account) throw wrongUse(`${vendor.label} has accounts: add --account ID`);
  if (!vendor.accounts && options.account) throw wrongUse(`${vendor.label} has no accounts: leave --account out`);
  const account = ownText().safeParse(options.account ?? "");
  if (!account.success) throw wrongUse(`--account ${account.error.issues[0]?.message}`);
  const own = vendorOptions(vendor, options);
  const named = options.format ?? /\.(\w+)$/.exec(file)?.[1]?.toLowerCase();
  const format = vendor.import.formats.find((format) => format === named);
  if (!format)
    throw wrongUse(
      `The format is unknown: add ${vendor.import.formats.map((format) => `--format ${format}`).join(" or ")}`,
    );
  if (file !== "-") {
    await access(file).catch(() => {
      throw wrongUse(`${file} cannot be read; check the path and its permissions`);
    });
  }
  const { run } = vendor.import;
  const counts = await withVendors([vendor], (host, [instance]) =>
    run(host, instance as VendorInstance, file === "-" ? process.stdin : createReadStream(file), {
      format,
      account: account.data,
      options: own,
      onRefused({ line, message }) {
        process.stderr.write(options.json ? `${JSON.stringify({ line, message })}\n` : `line ${line}: ${message}\n`);
      },
    }),
  );
  print(options.json ? JSON.stringify(counts) : `${counts.imported} imported, ${counts.refused} rejected`);
  if (counts.refused > 0) process.exitCode = exitStatus.someFailed;
}
