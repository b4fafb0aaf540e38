import { existsSync, readFileSync } from "node:fs";
import {
  createHost,
  createInstance,
  type Host,
  ReinstateError,
  type Vendor,
  type VendorInstance,
} from "@reinstate/batch-core";
import { readSettings, type Settings } from "../config.ts";
import * as exported from "../vendors.ts";

export const vendors: Vendor[] = Object.values(exported) as unknown as Vendor[];

/** Reads the settings of this process from the environment, `reinstate.json` in the working directory, and `defaults`. */
export function settings(defaults: Record<string, string> = {}): Settings {
  const file = existsSync("reinstate.json") ? decodeText(readFileSync("reinstate.json")) : undefined;
  return readSettings({ env: process.env, file, vendors, defaults });
}

/** Runs the work of a command with the ledger and some vendors, and closes them at its end. */
export async function withVendors<Result>(
  needed: readonly Vendor[],
  work: (host: Host, instances: VendorInstance[]) => Promise<Result>,
): Promise<Result> {
  const config = settings();
  // `web`: a command must not start working on batches.
  const host = await createHost({ databaseUrl: config.databaseUrl, role: "web" });
  const instances: VendorInstance[] = [];
  try {
    for (const vendor of needed) {
      instances.push(await createInstance(vendor, host, config.vendors[vendor.name], { timeZone: config.timeZone }));
    }
    return await work(host, instances);
  } finally {
    for (const instance of instances) await instance.closing?.();
    await host.close();
    for (const instance of instances) await instance.close?.();
  }
}

/** Decodes the text of a settings file by its byte order mark, as editors on Windows write it; UTF-8 without one. */
function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new ReinstateError("bad_setting", `reinstate.json is not ${encoding} text; save it as UTF-8`);
  }
}

/** Exit statuses of the command line. */
export const exit = { done: 0, unexpected: 1, wrongUse: 2, someFailed: 3, unreachable: 5 } as const;

/** Returns the error for wrong use of a command. The message says how to use it. */
export const wrongUse = (message: string) => new ReinstateError("invalid_request", message);

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
