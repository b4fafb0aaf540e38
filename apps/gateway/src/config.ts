import { readFileSync } from "node:fs";
import {
  type AdmissionLimits,
  checkDatabaseUrl,
  checkVendors,
  defaultLimits,
  isProxyAddress,
  ReinstateError,
  readJson,
  timeZoneName,
  toMessage,
  type Vendor,
  wholeNumber,
} from "@reinstate/batch-core";
import { closest, distance } from "fastest-levenshtein";
import * as z from "zod";
import { dashboardPaths } from "./dashboard/paths.ts";

/** Validated settings of the gateway. */
export interface Settings {
  host: string;
  /** TCP port; 0 picks a free one. */
  port: number;
  databaseUrl: string;
  /** Engine that dispatches chunks. */
  engine: "in-process" | "pg-boss";
  role: "all" | "web" | "worker";
  /** IANA name of the time zone. */
  timeZone: string;
  /** Whether the demo records and keys are loaded. */
  demo: boolean;
  logLevel: string;
  /** Prefix of all paths, such as `/ops`, if a proxy serves the gateway below one; else empty. */
  basePath: string;
  /** Seconds for which an idle connection stays open between requests. */
  keepAliveSeconds: number;
  /** Seconds that the body of a request may take, except for uploads to `/v1/batches`. */
  requestSeconds: number;
  /** Largest number of open connections; the server closes further ones. */
  maxConnections: number;
  /** Limits of the calls that are admitted. */
  admission: AdmissionLimits;
  /** Timeout in seconds of a statement on the ledger's database. */
  databaseSeconds: number;
  /** Days for which batches are kept after their end; undefined keeps them for ever. */
  keepBatchesDays: number | undefined;
  /** Longest time in seconds between the stop signal and the end of the process. */
  graceSeconds: number;
  /** Address of the server for metrics alone; undefined serves them at `/metrics` of the gateway. */
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
  /** Defaults set by a command. The environment and the file override them. */
  defaults?: Record<string, string>;
}

const flag = z
  .enum(["1", "true", "yes", "on", "0", "false", "no", "off", ""], { error: "must be true or false" })
  .transform((word) => ["1", "true", "yes", "on"].includes(word));

const seconds = wholeNumber({ least: 1, most: 99_999 });

const megabyte = 1024 * 1024;

const proxies = z
  .string()
  .transform((list) => list.split(",").flatMap((address) => address.trim() || []))
  .refine((list) => list.every(isProxyAddress), {
    error: "must be addresses or networks with commas between them, such as 10.0.0.1,192.168.0.0/16",
  });

const databaseAddress = z.string().superRefine((url, context) => {
  try {
    checkDatabaseUrl(url);
  } catch (error) {
    context.addIssue(toMessage(error));
  }
});

/** `HOST:PORT`, with an IPv6 address in brackets. */
const listenAddress = z.string().transform((text, { issues }) => {
  const [, bracketed, plain, port = ""] = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  issues.push({ code: "custom", message: "must be HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464", input: text });
  return z.NEVER;
});

const basePath = z
  .string()
  .regex(/^(\/[\w.~-]+)*\/?$/, "must be a path such as /ops")
  .transform((path) => path.replace(/\/$/, ""));

const levels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

const words = <const Words extends readonly [string, ...string[]]>(allowed: Words) =>
  z.enum(allowed, { error: `must be one of ${allowed.join(", ")}` });

/** Variables of the command line, which are no settings of the gateway. */
const clientVariables = ["REINSTATE_KEY", "REINSTATE_KEY_FILE", "REINSTATE_SERVER"];

/** Schemas of the gateway's own variables. */
export const own = {
  HOST: z.string().min(1, "must not be empty").default("127.0.0.1"),
  PORT: wholeNumber({ least: 0, most: 65_535 }).default(8787),
  LOG_LEVEL: words(levels).default("info"),
  REINSTATE_BASE_PATH: basePath.default(""),
  REINSTATE_DATA: z.string().min(1, "must not be empty").default("./data"),
  REINSTATE_DATABASE_URL: databaseAddress.optional(),
  REINSTATE_ENGINE: words(["in-process", "pg-boss"]).optional(),
  REINSTATE_ROLE: words(["all", "web", "worker"]).default("all"),
  REINSTATE_TIME_ZONE: timeZoneName.default("UTC"),
  REINSTATE_DEMO: flag.default(false),
  REINSTATE_KEEP_ALIVE_SECONDS: seconds.default(75),
  REINSTATE_REQUEST_SECONDS: seconds.default(300),
  REINSTATE_MAX_CONNECTIONS: wholeNumber({ least: 1, most: 999_999 }).default(10_000),
  REINSTATE_MAX_IN_FLIGHT: wholeNumber({ least: 1, most: 999_999 }).default(defaultLimits.maxInFlight),
  REINSTATE_MAX_IN_FLIGHT_PER_KEY: wholeNumber({ least: 1, most: 999_999 }).default(defaultLimits.maxInFlightPerKey),
  REINSTATE_MAX_UNKNOWN_MEGABYTES: wholeNumber({ least: 1, most: 99_999 }).default(
    defaultLimits.maxUnknownBytes / megabyte,
  ),
  REINSTATE_WRONG_KEYS_PER_MINUTE: wholeNumber({ least: 1, most: 999_999 }).default(defaultLimits.wrongKeysPerMinute),
  REINSTATE_TRUSTED_PROXIES: proxies.default([]),
  REINSTATE_DATABASE_SECONDS: seconds.default(5),
  REINSTATE_GRACE_SECONDS: seconds.default(20),
  REINSTATE_METRICS: listenAddress.optional(),
  REINSTATE_KEEP_BATCHES_DAYS: wholeNumber({ least: 1, most: 36_500 }).optional(),
};

/** Prefixes of the paths that the gateway serves itself. */
const ownPaths = [...dashboardPaths, "/v1", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/llms.txt"];

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;

/**
 * Reads the settings. The environment overrides the file, and the file overrides the defaults. A message never contains a value,
 * because any value may be a secret.
 *
 * @throws `bad_setting` that names the first unknown or malformed setting
 */
export function readSettings({ env, file, vendors, defaults = {} }: SettingsSource): Settings {
  checkVendors(vendors, ownPaths);
  const vendorVariables = nameVariables(vendors);
  const known = [...Object.keys(own), ...vendorVariables.keys()];
  const values = { ...defaults, ...fromFile(file, known), ...fromEnvironment(env, known) };

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

/** Reads the settings among the variables of the environment. Variables of other programs are ignored. */
export function fromEnvironment(env: SettingsSource["env"], known: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const isOwn = name.startsWith("REINSTATE_");
    if (value === undefined || !(isOwn || known.includes(name)) || clientVariables.includes(name)) continue;
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

/** Reads `reinstate.json`, which has the same names in camelCase, with or without `REINSTATE_`. */
export function fromFile(text: string | undefined, known: readonly string[]): Record<string, string> {
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
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(content)) {
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
