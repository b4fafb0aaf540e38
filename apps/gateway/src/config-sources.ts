import type { Vendor } from "@reinstate/batch-core";
import type * as z from "zod";
import { fromEnvironment, fromFile, listVariables, nameVariables, type SettingsSource } from "./config.ts";
import { own } from "./own-settings.ts";

/** A setting with the place that its value comes from. */
export interface SourcedSetting {
  name: string;
  /** The value as text, with secrets masked; undefined if there is none. */
  value: string | undefined;
  /** `environment`, the file that the environment names, `reinstate.json`, or `default`. */
  source: string;
}

const mask = "(hidden)";

/**
 * Lists every setting with its source. Secrets are masked.
 *
 * @throws `bad_setting` for an unknown name
 */
export function listSettings({ env, file, vendors }: SettingsSource): SourcedSetting[] {
  const known = listVariables(vendors);
  const inEnvironment = fromEnvironment(env, known);
  const inFile = fromFile(file, known);
  return known.map((name) => {
    const value = inEnvironment[name] ?? inFile[name];
    if (value === undefined) return { name, value: findDefault(name, vendors), source: "default" };
    const source = env[name] !== undefined ? "environment" : `file of ${name}_FILE`;
    return {
      name,
      value: maskValue(name, value),
      source: inEnvironment[name] !== undefined ? source : "reinstate.json",
    };
  });
}

function findDefault(name: string, vendors: readonly Vendor[]): string | undefined {
  const { vendor, property = "" } = nameVariables(vendors).get(name) ?? {};
  const schema = (vendor ? vendor.settings.shape[property] : (own as Record<string, z.ZodType>)[name]) as z.ZodType;
  const { data } = schema.safeParse(undefined);
  if (data === undefined || data === "") return undefined;
  if (Array.isArray(data)) return data.join(",") || undefined;
  if (typeof data !== "object" || data === null) return String(data);
  return Object.keys(data).length === 0 ? undefined : JSON.stringify(data);
}

/** Hides what may be a secret: values of keys, and the password of an address. */
function maskValue(name: string, value: string): string {
  if (/KEY(S|_)?$|SECRET|TOKEN|PASSWORD|_KEYS?_/.test(name)) return mask;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.password) return value.replace(`:${url.password}@`, `:${mask}@`);
  // A malformed address may hold a password where no URL has one.
  if (value.includes("@") && /URL/.test(name)) return url ? value : mask;
  return value;
}
