import { createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import { createHost, type VendorInstance } from "@reinstate/batch-core";
import { exit, print, settings, vendors, wrongUse } from "./context.ts";

/** Fills a vendor's tables from a file. Refused lines are told one by one; the others are taken. */
export async function importFile(
  name: string,
  file: string,
  options: { account?: string; channel?: string; format?: string; json?: boolean },
): Promise<void> {
  const able = vendors.filter((vendor) => vendor.import);
  const vendor = able.find((vendor) => vendor.name === name);
  if (!vendor?.import) throw wrongUse(`The vendor must be one of ${able.map(({ name }) => name).join(", ")}`);
  if (vendor.accounts && !options.account) throw wrongUse(`${vendor.label} has accounts: add --account ID`);
  if (!vendor.accounts && options.account) throw wrongUse(`${vendor.label} has no accounts: leave --account out`);
  if (!vendor.channels && options.channel) throw wrongUse(`${vendor.label} has no channels: leave --channel out`);
  const format = options.format ?? /\.(ndjson|csv)$/i.exec(file)?.[1]?.toLowerCase();
  if (format !== "ndjson" && format !== "csv") throw wrongUse("Say --format ndjson or --format csv");
  if (file !== "-") {
    await access(file).catch(() => {
      throw wrongUse(`${file} cannot be read`);
    });
  }
  const config = settings();
  // `web`: a command that fills tables must not start working on batches.
  const host = await createHost({ databaseUrl: config.databaseUrl, role: "web" });
  let instance: VendorInstance | undefined;
  try {
    instance = await vendor.create(host, config.vendors[vendor.name], { timeZone: config.timeZone });
    const source = file === "-" ? process.stdin : createReadStream(file);
    const counts = await vendor.import(host, instance, source, {
      format,
      account: options.account ?? "",
      channel: options.channel ?? "",
      onRefused({ line, message }) {
        process.stderr.write(options.json ? `${JSON.stringify({ line, message })}\n` : `line ${line}: ${message}\n`);
      },
    });
    print(options.json ? JSON.stringify(counts) : `${counts.imported} imported, ${counts.refused} refused`);
    if (counts.refused > 0) process.exitCode = exit.someFailed;
  } finally {
    await instance?.closing?.();
    await host.close();
    await instance?.close?.();
  }
}
