import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect as connectSocket, isIP } from "node:net";
import {
  type DatabaseUrlRules,
  oneOfWords,
  parseDatabaseUrl,
  ReinstateError,
  readableFile,
} from "@reinstate/batch-core";
import type { PoolConnection as CallbackConnection } from "mysql2";
import mysql, {
  type Connection,
  type ConnectionOptions,
  type Pool,
  type PoolConnection,
  type SslOptions,
} from "mysql2/promise";
import { cutSilence, type Watched } from "./silence.ts";

/** Connection settings. `fallback` is tried if the server has no TLS. */
export interface Connecting {
  options: ConnectionOptions;
  fallback?: ConnectionOptions;
}

const form = "mysql://user:password@host:3306/database";
const sslModes = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

const rules: DatabaseUrlRules = {
  form,
  schemes: ["mysql", "mariadb"],
  parameters: {
    "ssl-mode": (mode) => oneOfWords(...sslModes)(mode.toUpperCase()),
    "ssl-ca": readableFile((content) => void new X509Certificate(content)),
  },
};

/**
 * Parses `mysql://user:password@host:3306/database?ssl-mode=VERIFY_CA&ssl-ca=/etc/ca.pem`. The modes are those of MySQL's clients;
 * without one, the connection is clear text, and with `ssl-ca` alone it is `VERIFY_CA`.
 *
 * @throws ReinstateError `bad_setting`, whose message follows the name of a setting and never holds the password.
 */
export function parseMariadbUrl(url: string): Connecting {
  const { host, port, user, password, database, parameters } = parseDatabaseUrl(url, rules);
  if (host === "" || !/^[^/@]+$/.test(database)) {
    throw new ReinstateError("bad_setting", `must be of the form ${form}, with special characters percent-encoded`);
  }
  const options: ConnectionOptions = {
    host,
    port: Number(port || 3306),
    user,
    password,
    database,
    charset: "utf8mb4_unicode_ci",
    // Count changed rows as affected, not matched rows.
    flags: ["-FOUND_ROWS", "-LOCAL_FILES"],
    multipleStatements: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    connectTimeout: 4_000,
  };
  const ca = parameters["ssl-ca"];
  const mode = parameters["ssl-mode"]?.toUpperCase() ?? (ca === undefined ? "DISABLED" : "VERIFY_CA");
  if (mode === "VERIFY_CA" && ca === undefined) throw new ReinstateError("bad_setting", "needs ssl-ca for VERIFY_CA");
  if (mode === "DISABLED" || mode === "PREFERRED") {
    if (ca !== undefined) {
      throw new ReinstateError("bad_setting", `has ssl-ca, which needs ssl-mode ${sslModes.slice(2).join(", ")}`);
    }
    if (mode === "DISABLED") return { options };
    return { options: { ...options, ssl: { rejectUnauthorized: false } }, fallback: options };
  }
  const verifyIdentity = mode === "VERIFY_IDENTITY";
  const ssl: SslOptions = {
    rejectUnauthorized: verifyIdentity || ca !== undefined,
    verifyIdentity,
    ...(ca !== undefined && { ca: readFileSync(ca, "utf8") }),
  };
  return { options: { ...options, ssl, ...(verifyIdentity && isIP(host) && { stream: openSocket }) } };
}

/**
 * Opens a socket that stores its address for the certificate check. The driver passes no server name to TLS for an IP address, and
 * Node would then accept a certificate for `localhost`.
 */
function openSocket({ config }: { config: { host: string; port: number } }) {
  const { host, port } = config;
  const socket = connectSocket({ host, port, noDelay: true, keepAlive: true });
  return Object.assign(socket, { _host: host });
}

const isTlsFailure = (error: unknown) =>
  /^HANDSHAKE_(NO_SSL_SUPPORT|SSL_ERROR)$/.test(String((error as { code?: unknown }).code));

/** Opens a connection that is destroyed if the server stops responding. */
export async function connect(connecting: Connecting): Promise<Connection> {
  const connection = await open(connecting);
  cutSilence((connection as unknown as { connection: Watched }).connection, () => isAlive(connecting));
  return connection;
}

function open({ options, fallback }: Connecting): Promise<Connection> {
  return mysql.createConnection(options).catch((error: unknown) => {
    if (!fallback || !isTlsFailure(error)) throw error;
    return mysql.createConnection(fallback);
  });
}

/** Resolves with true if the server responds, even with a refusal. Completes the login, because servers block hosts that abort too many. */
async function isAlive({ options, fallback }: Connecting): Promise<boolean> {
  const quick = (settings: ConnectionOptions) => ({ ...settings, connectTimeout: aliveTimeoutMs });
  try {
    const connection = await open({ options: quick(options), ...(fallback && { fallback: quick(fallback) }) });
    connection.destroy();
    return true;
  } catch (error) {
    return (error as { sqlState?: unknown }).sqlState !== undefined;
  }
}

/** Timeout for a new connection that tests whether the server responds. */
const aliveTimeoutMs = 2_000;
/** Timeout for a free connection of a pool. */
const poolTimeoutMs = 4_000;

/** A pool of reading connections. */
export interface Readers {
  getConnection(): Promise<PoolConnection>;
  end(): Promise<void>;
}

/** The SQL mode of VICIdial's own servers. Another mode might read backslashes in values as plain characters. */
const readerMode = "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'";

/** Opens a pool of connections on demand. `settings` is the first statement on each. */
export function openReaders(connecting: Connecting, { connections = 4, settings = readerMode } = {}): Readers {
  const { options, fallback } = connecting;
  const openPool = (pooled: ConnectionOptions) => {
    const pool = mysql.createPool({ ...pooled, connectionLimit: connections, maxIdle: connections });
    pool.on("connection", (connection) => {
      // Despite its types, the driver passes a callback connection here.
      cutSilence(connection as unknown as Watched, () => isAlive(connecting));
      (connection as unknown as CallbackConnection).query(settings, (error: unknown) => error && connection.destroy());
    });
    return pool;
  };
  const pools = [openPool(options)];
  const current = () => pools[pools.length - 1] as Pool;
  const take = () =>
    current()
      .getConnection()
      .catch((error: unknown) => {
        if (!fallback || !isTlsFailure(error)) throw error;
        if (pools.length === 1) pools.push(openPool(fallback));
        return current().getConnection();
      });
  return {
    getConnection: () => withinMs(poolTimeoutMs, take()),
    async end() {
      await Promise.all(pools.map((pool) => pool.end()));
    },
  };
}

/** Rejects after a timeout, because every connection may wait for a silent server. A late connection returns to the pool. */
async function withinMs(ms: number, taking: Promise<PoolConnection>): Promise<PoolConnection> {
  let late: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new ReinstateError("transient", "The VICIdial database is busy")), ms);
  });
  try {
    return await Promise.race([taking, overdue]);
  } catch (error) {
    taking.then((connection) => connection.release()).catch(() => {});
    throw error;
  } finally {
    clearTimeout(late);
  }
}
