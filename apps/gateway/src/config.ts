import { readFileSync } from "node:fs";
import { type AdmissionLimits, checkVendors, ReinstateError, readJson, type Vendor } from "@reinstate/batch-core";
import { closest, distance } from "fastest-levenshtein";
import * as z from "zod";
import { dashboardPaths } from "./dashboard/paths.ts";
import { megabyte, own } from "./own-settings.ts";

/** Validated settings of the gateway, named like their variables; `own-settings.ts` describes each. */
export interface Settings {
  host: string;
  port: number;
  databaseUrl: string;
  engine: "in-process" | "pg-boss";
  role: "all" | "web" | "worker";
  timeZone: string;
  demo: boolean;
  logLevel: string;
  /** Without a slash at the end; may be empty. */
  basePath: string;
  keepAliveSeconds: number;
  requestSeconds: number;
  maxConnections: number;
  admission: AdmissionLimits;
  databaseSeconds: number;
  keepBatchesDays: number | undefined;
  graceSeconds: number;
  metrics: { host: string; port: number } | undefined;
  /** Settings of each vendor, by vendor name. */
  vendors: Record<string, unknown>;
}

/** The places that settings are read from. */
export interface SettingsSource {
  env: Record<string, string | undefined>;
  /** Text of `reinstate.json`, if the file exists. */
  file?: string | undefined;
  vendors: readonly Vendor[];
  /** Names of further vendors, whose settings are skipped. */
  unread?: readonly string[];
  /** Defaults set by a command. The environment and the file override them. */
  defaults?: Record<string, string>;
}

/** Variables of the command line, which are no settings of the gateway. */
const clientVariables = ["REINSTATE_KEY", "REINSTATE_KEY_FILE", "REINSTATE_SERVER"];

/** Prefixes of the paths that the gateway serves itself. */
const ownPaths = [...dashboardPaths, "/v1", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/llms.txt"];

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;

/**
 * Reads the settings. The environment overrides the file, and the file overrides the defaults. A message never contains a value,
 * because any value may be a secret.
 *
 * @throws `bad_setting` that names the first unknown or malformed setting
 */
export function readSettings({ env, file, vendors, unread = [], defaults = {} }: SettingsSource): Settings {
  checkVendors(vendors, ownPaths);
  const vendorVariables = nameVariables(vendors);
  const known = [...Object.keys(own), ...vendorVariables.keys()];
  const values = { ...defaults, ...fromFile(file, known, unread), ...fromEnvironment(env, known, unread) };

  const parsed = z.object(own).safeParse(values);
  if (!parsed.success) throw bad(`${String(parsed.error.issues[0]?.path[0])} ${parsed.error.issues[0]?.message}`);
  const mine = parsed.data;
  const databaseUrl = mine.REINSTATE_DATABASE_URL ?? `sqlite:${mine.REINSTATE_DATA}/reinstate.db`;
  const onSqlite = databaseUrl.startsWith("sqlite:");
  if (onSqlite && mine.REINSTATE_ENGINE === "pg-boss") {
    throw bad("REINSTATE_ENGINE can be pg-boss only if REINSTATE_DATABASE_URL is a PostgreSQL database");
  }
  const settings: Settings = {
    host: mine.HOST,
    port: mine.PORT,
    databaseUrl,
    engine: mine.REINSTATE_ENGINE ?? (onSqlite ? "in-process" : "pg-boss"),
    role: mine.REINSTATE_ROLE,
    timeZone: mine.REINSTATE_TIME_ZONE,
    demo: mine.REINSTATE_DEMO,
    logLevel: mine.LOG_LEVEL,
    basePath: mine.REINSTATE_BASE_PATH,
    keepAliveSeconds: mine.REINSTATE_KEEP_ALIVE_SECONDS,
    requestSeconds: mine.REINSTATE_REQUEST_SECONDS,
    maxConnections: mine.REINSTATE_MAX_CONNECTIONS,
    admission: {
      maxInFlight: mine.REINSTATE_MAX_IN_FLIGHT,
      maxInFlightPerKey: mine.REINSTATE_MAX_IN_FLIGHT_PER_KEY,
      maxUnknownBytes: mine.REINSTATE_MAX_UNKNOWN_MEGABYTES * megabyte,
      wrongKeysPerMinute: mine.REINSTATE_WRONG_KEYS_PER_MINUTE,
      trustedProxies: mine.REINSTATE_TRUSTED_PROXIES,
    },
    databaseSeconds: mine.REINSTATE_DATABASE_SECONDS,
    graceSeconds: mine.REINSTATE_GRACE_SECONDS,
    keepBatchesDays: mine.REINSTATE_KEEP_BATCHES_DAYS,
    metrics: mine.REINSTATE_METRICS,
    vendors: {},
  };
  for (const vendor of vendors) {
    const vendorValues: Record<string, string> = {};
    for (const [name, { vendor: owner, property }] of vendorVariables) {
      if (owner === vendor && values[name] !== undefined) vendorValues[property] = values[name];
    }
    const parsed = vendor.settings.safeParse(vendorValues);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw bad(`REINSTATE_${upperSnake(vendor.name)}_${upperSnake(String(issue?.path[0] ?? ""))} ${issue?.message}`);
    }
    settings.vendors[vendor.name] = parsed.data;
  }
  if (settings.demo && !loopback.test(settings.host)) {
    throw bad("REINSTATE_DEMO loads publicly known keys; set HOST to a loopback address, such as 127.0.0.1");
  }
  return settings;
}

/** Reads the settings among the variables of the environment. Variables of other programs are ignored, and those of `unread` vendors. */
export function fromEnvironment(
  env: SettingsSource["env"],
  known: readonly string[],
  unread: readonly string[] = [],
): Record<string, string> {
  const values: Record<string, string> = {};
  const skipped = unread.map((vendor) => `REINSTATE_${upperSnake(vendor)}_`);
  for (const [name, value] of Object.entries(env)) {
    const isOwn = name.startsWith("REINSTATE_");
    if (value === undefined || !(isOwn || known.includes(name)) || clientVariables.includes(name)) continue;
    if (skipped.some((prefix) => name.startsWith(prefix))) continue;
    const target = isOwn ? known.find((one) => name === `${one}_FILE`) : undefined;
    if (known.includes(name)) values[name] = value;
    else if (target === undefined) throw bad(`${name} is not a setting${hint(name, known)}`);
    else if (env[target] !== undefined) throw bad(`${name} and ${target} are both set; keep one of them`);
    else values[target] = readValue(name, value);
  }
  return values;
}

/** Reads the value of a setting from a file, which is how container engines pass secrets. Drops a final line break. */
function readValue(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw bad(
      `${name}: the file cannot be read (${(error as NodeJS.ErrnoException).code}); give the path of a readable file`,
    );
  }
}

/** Returns the names of all variables that are settings: the gateway's own, then those of the vendors. */
export const listVariables = (vendors: readonly Vendor[]): string[] => [
  ...Object.keys(own),
  ...nameVariables(vendors).keys(),
];

/** Returns the vendor and the property of each variable. */
export function nameVariables(vendors: readonly Vendor[]): Map<string, { vendor: Vendor; property: string }> {
  const variables = new Map<string, { vendor: Vendor; property: string }>();
  for (const vendor of vendors) {
    for (const property of Object.keys(vendor.settings.shape)) {
      const variable = `REINSTATE_${upperSnake(vendor.name)}_${upperSnake(property)}`;
      if (variables.has(variable) || Object.hasOwn(own, variable)) {
        throw bad(`vendor ${vendor.name}: settings.${property}: ${variable} is already a setting; rename the property`);
      }
      variables.set(variable, { vendor, property });
    }
  }
  return variables;
}

/** Reads `reinstate.json`, which has the same names in camelCase, with or without `REINSTATE_`. Skips those of `unread` vendors. */
export function fromFile(
  text: string | undefined,
  known: readonly string[],
  unread: readonly string[] = [],
): Record<string, string> {
  if (text === undefined) return {};
  const read = readJson(text);
  if (read.fault !== undefined) {
    // The engine quotes the text around some faults, which may be a secret.
    throw bad(`reinstate.json is not JSON: ${read.fault.replace(/, (?:\.{3})?".*is not valid JSON$/s, "")}`);
  }
  const content = read.value;
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw bad("reinstate.json must hold an object");
  const variables = new Map<string, string>();
  for (const variable of known) {
    variables.set(camel(variable), variable);
    variables.set(camel(variable.replace(/^REINSTATE_/, "")), variable);
  }
  const isUnread = (name: string) => {
    const plain = name.toLowerCase().replace(/^reinstate/, "");
    return unread.some((vendor) => plain.startsWith(vendor));
  };
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(content)) {
    if (isUnread(name)) continue;
    const variable = variables.get(name);
    if (variable === undefined)
      throw bad(`${name} in reinstate.json is not a setting${hint(name, [...variables.keys()])}`);
    if (given[variable] !== undefined) throw bad(`${name} in reinstate.json is set twice; keep one of them`);
    if (!["string", "number", "boolean"].includes(typeof value)) {
      throw bad(`${name} in reinstate.json must be a string, a number or a boolean`);
    }
    given[variable] = String(value);
  }
  return given;
}

function bad(line: string): ReinstateError {
  return new ReinstateError("bad_setting", line);
}

function hint(name: string, known: readonly string[]): string {
  const near = closest(name, known);
  return distance(near, name) <= 3 ? ` (did you mean ${near}?)` : "";
}

const upperSnake = (name: string) => name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();

const camel = (name: string) => name.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
