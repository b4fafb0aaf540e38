import { existsSync, readFileSync } from "node:fs";
import {
  createHost,
  createInstance,
  type Host,
  type Log,
  ReinstateError,
  silentLog,
  type Vendor,
  type VendorInstance,
} from "@reinstate/batch-core";
import { readSettings, type Settings, type SettingsSource } from "../config.ts";
import { loadDemo } from "../demo.ts";
import { vendorNames } from "../load-vendors.ts";

/**
 * Reads the settings of this process from the environment, `reinstate.json` in the working directory, and `defaults`. The settings of
 * vendors that are not among `vendors` are neither read nor checked.
 */
export function settings(vendors: readonly Vendor[] = [], defaults: Record<string, string> = {}): Settings {
  return readSettings({ ...readSettingsSource(vendors), defaults });
}

/** Reads the sources of the settings of this process. */
export function readSettingsSource(vendors: readonly Vendor[]): SettingsSource {
  const file = existsSync("reinstate.json") ? decodeText(readFileSync("reinstate.json")) : undefined;
  const unread = vendorNames.filter((name) => !vendors.some((vendor) => vendor.name === name));
  return { env: process.env, file, vendors, unread };
}

/** The ledger with some vendors, in this process. It works on no batch by itself. */
export interface OpenedVendors {
  host: Host;
  instances: VendorInstance[];
  /** Ends the waits of chunks in progress. */
  endWaits(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the ledger and vendors, and loads the demo records if the settings ask for them. */
export async function openVendors(
  config: Settings,
  needed: readonly Vendor[],
  log: Log = silentLog,
): Promise<OpenedVendors> {
  const { databaseUrl, databaseSeconds } = config;
  // `web`: a command must not start working on batches.
  const host = await createHost({ databaseUrl, role: "web", answerMs: databaseSeconds * 1000, log });
  const opened: { vendor: Vendor; instance: VendorInstance }[] = [];
  const endWaits = async () => {
    for (const { instance } of opened) await instance.closing?.();
  };
  const close = async () => {
    await endWaits();
    await host.close();
    for (const { instance } of opened) await instance.close?.();
  };
  try {
    for (const vendor of needed) {
      const common = { timeZone: config.timeZone };
      opened.push({ vendor, instance: await createInstance(vendor, host, config.vendors[vendor.name], common) });
    }
    if (config.demo) await loadDemo(host, opened);
  } catch (error) {
    await close();
    throw error;
  }
  return { host, instances: opened.map(({ instance }) => instance), endWaits, close };
}

/** Runs the work of a command with the ledger and some vendors, and closes them at its end. */
export async function withVendors<Result>(
  needed: readonly Vendor[],
  work: (host: Host, instances: VendorInstance[]) => Promise<Result>,
): Promise<Result> {
  const { host, instances, close } = await openVendors(settings(needed), needed);
  try {
    return await work(host, instances);
  } finally {
    await close();
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
