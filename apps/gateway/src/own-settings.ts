import {
  checkDatabaseUrl,
  defaultLimits,
  isProxyAddress,
  timeZoneName,
  toMessage,
  wholeNumber,
} from "@reinstate/batch-core";
import * as z from "zod";

const flag = z
  .enum(["1", "true", "yes", "on", "0", "false", "no", "off", ""], { error: "must be true or false" })
  .transform((word) => ["1", "true", "yes", "on"].includes(word));

const seconds = wholeNumber({ least: 1, most: 99_999 });

/** Bytes of a megabyte. */
export const megabyte = 1024 * 1024;

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

/** Schemas of the gateway's own variables. Their comments are the descriptions in `docs/reference/configuration.md`. */
export const own = {
  /** The address that the gateway listens on. */
  HOST: z.string().min(1, "must not be empty").default("127.0.0.1"),
  /** The TCP port; 0 picks a free port and prints it. */
  PORT: wholeNumber({ least: 0, most: 65_535 }).default(8787),
  /** The lowest level of the log, which is JSON lines on standard error. */
  LOG_LEVEL: words(levels).default("info"),
  /** The prefix of all paths, such as `/ops`, if a proxy serves the gateway below one. Paths are answered with and without it. */
  REINSTATE_BASE_PATH: basePath.default(""),
  /** The folder of the embedded database. The folder and its files are for this user alone (0700, 0600). */
  REINSTATE_DATA: z.string().min(1, "must not be empty").default("./data"),
  /**
   * The ledger, and the FirstPromoter and Altcraft records: `sqlite:PATH` or `postgres://…`. Behind PgBouncer: session mode, or
   * transaction mode with `max_prepared_statements` (1.21 or newer).
   *
   * @defaultValue `sqlite:<REINSTATE_DATA>/reinstate.db`
   */
  REINSTATE_DATABASE_URL: databaseAddress.optional(),
  /**
   * The engine that dispatches chunks; `pg-boss` needs PostgreSQL.
   *
   * @defaultValue `in-process` on SQLite, `pg-boss` on PostgreSQL
   */
  REINSTATE_ENGINE: words(["in-process", "pg-boss"]).optional(),
  /** The work of the process: `web` serves HTTP only, `worker` runs chunks only, `all` does both. */
  REINSTATE_ROLE: words(["all", "web", "worker"]).default("all"),
  /** The zone of the office hours. */
  REINSTATE_TIME_ZONE: timeZoneName.default("UTC"),
  /**
   * Whether the demo records and keys are loaded. It needs a `HOST` of this machine alone.
   *
   * @defaultValue `true` in `pnpm start`, `false` in `reinstate serve`
   */
  REINSTATE_DEMO: flag.default(false),
  /** Seconds for which an idle connection stays open. Keep it above the idle timeout of a proxy in front. */
  REINSTATE_KEEP_ALIVE_SECONDS: seconds.default(75),
  /** Seconds that the body of a request may take. Items streamed to `/v1/batches` may take an hour, headers ten seconds. */
  REINSTATE_REQUEST_SECONDS: seconds.default(300),
  /** Open connections; every further one is closed. */
  REINSTATE_MAX_CONNECTIONS: wholeNumber({ least: 1, most: 999_999 }).default(10_000),
  /**
   * Calls in progress; every further one gets 503 with `Retry-After`. Slow bodies, event streams, downloads, `/healthz` and
   * `/readyz` do not count.
   */
  REINSTATE_MAX_IN_FLIGHT: wholeNumber({ least: 1, most: 999_999 }).default(defaultLimits.maxInFlight),
  /** Calls in progress of one key; every further one gets 429 with `Retry-After`. */
  REINSTATE_MAX_IN_FLIGHT_PER_KEY: wholeNumber({ least: 1, most: 999_999 }).default(defaultLimits.maxInFlightPerKey),
  /** Megabytes for bodies of callers that have not shown a valid key yet; beyond it, the largest of them get 503. */
  REINSTATE_MAX_UNKNOWN_MEGABYTES: wholeNumber({ least: 1, most: 99_999 }).default(
    defaultLimits.maxUnknownBytes / megabyte,
  ),
  /** Wrong keys of one address in a minute; every further one gets 429. Valid keys of that address still work. */
  REINSTATE_WRONG_KEYS_PER_MINUTE: wholeNumber({ least: 1, most: 999_999 }).default(defaultLimits.wrongKeysPerMinute),
  /**
   * Addresses and networks of proxies in front, whose `X-Forwarded-For` names the caller. Without it, the proxy is the caller.
   */
  REINSTATE_TRUSTED_PROXIES: proxies.default([]),
  /** Seconds after which a statement that PostgreSQL does not answer fails, and its call with 503. */
  REINSTATE_DATABASE_SECONDS: seconds.default(5),
  /** Seconds from SIGTERM, SIGINT or SIGHUP to the end of the process, even if a call hangs. A second signal ends it at once. */
  REINSTATE_GRACE_SECONDS: seconds.default(20),
  /**
   * The address of a server for metrics alone. Without it, `/metrics` of the gateway serves callers on the same machine and
   * holders of an admin key.
   */
  REINSTATE_METRICS: listenAddress.optional(),
  /**
   * Days for which batches are kept after their end. A worker prunes older ones at its start and every day. Without it, batches
   * stay.
   */
  REINSTATE_KEEP_BATCHES_DAYS: wholeNumber({ least: 1, most: 36_500 }).optional(),
};
