import { existsSync, readFileSync } from "node:fs";
import { ReinstateError, type Vendor } from "@reinstate/batch-core";
import { readSettings, type Settings } from "../config.ts";
import * as exported from "../vendors.ts";

export const vendors: Vendor[] = Object.values(exported) as unknown as Vendor[];

/** The settings of this process: environment, `reinstate.json` of the working directory, defaults. */
export function settings(defaults: Record<string, string> = {}): Settings {
  const file = existsSync("reinstate.json") ? readFileSync("reinstate.json", "utf8") : undefined;
  return readSettings({ env: process.env, file, vendors, defaults });
}

/** Exit statuses of the command line. */
export const exit = { done: 0, unexpected: 1, wrongUse: 2, someFailed: 3, unreachable: 5 } as const;

/** A command was used wrongly; the message says how it is used. */
export const wrongUse = (message: string) => new ReinstateError("invalid_request", message);

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
