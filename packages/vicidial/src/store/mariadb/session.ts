import { createHash } from "node:crypto";
import { ReinstateError } from "@reinstate/batch-core";
import type { Connection, RowDataPacket } from "mysql2/promise";
import { type Connecting, connect } from "./connect.ts";

/** Milliseconds after which a statement is given up, whatever it waits for. */
const statementLimit = 60_000;

/**
 * How leads are compared and written, whatever the server is set to: strictly, and with one text for each instant of a TIMESTAMP.
 */
export const comparisonSettings = `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION',
  time_zone = '+00:00'`;

/** The connection that moves leads: nothing that the server is set to can change what it writes. */
export interface Session {
  connection: Connection;
  /** What the database is called in the journal: the same for every worker, by whatever address it comes. */
  database: string;
  /** For how many milliseconds the server had been running when the session was opened. */
  uptime: number;
  /** Runs the work while no other mover is at work on this database, nor until what it leaves to be noted has been. */
  alone<Result>(work: () => Promise<Result>, noted: () => Promise<void>): Promise<Result>;
  /** True once the connection is of no more use. */
  broken(): boolean;
  /** Asks the server. */
  alive(): Promise<boolean>;
  close(): void;
}

export async function openSession(
  connecting: Connecting,
  { lockWaitSeconds, site }: { lockWaitSeconds: number; site?: string | undefined },
): Promise<Session> {
  const connection = await connect(connecting);
  let broken = false;
  const onEnd = () => {
    broken = true;
  };
  connection.on("error", onEnd);
  connection.on("end", onEnd);
  try {
    await connection.query("SET NAMES utf8mb4");
    await connection.query(
      `${comparisonSettings},
        autocommit = 1, lock_wait_timeout = ?, innodb_lock_wait_timeout = ?, max_statement_time = ?,
        wait_timeout = 28800`,
      [lockWaitSeconds, lockWaitSeconds, statementLimit / 1000],
    );
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT CONCAT(@@hostname, ':', @@port, '/', DATABASE()) AS name, DATABASE() AS schemaName,
        @@log_bin = 1 AND @@binlog_format = 'STATEMENT' AS statements,
        (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME') AS uptime`,
    );
    const database = site ?? String(rows[0]?.name);
    const schema = String(rows[0]?.schemaName);
    // Locks of rows alone, not of the gaps between them, into which the dialer puts new leads; a log of statements forbids it.
    const locksGaps = Number(rows[0]?.statements) === 1;
    const isolation = locksGaps ? "REPEATABLE READ" : "READ COMMITTED";
    await connection.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`);
    const close = () => {
      broken = true;
      connection.destroy();
    };
    return {
      connection,
      database,
      uptime: Number(rows[0]?.uptime) * 1000,
      alone: (work, noted) => underLock(connection, { schema, seconds: lockWaitSeconds, close }, work, noted),
      broken: () => broken,
      alive: async () =>
        !broken &&
        connection.ping().then(
          () => true,
          () => false,
        ),
      close,
    };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

async function underLock<Result>(
  connection: Connection,
  { schema, seconds, close }: { schema: string; seconds: number; close(): void },
  work: () => Promise<Result>,
  noted: () => Promise<void>,
): Promise<Result> {
  // The name of a lock is at most 64 characters long and stands for the whole server.
  const name = `reinstate-${createHash("sha256").update(schema).digest("hex").slice(0, 32)}`;
  // Longer than for a table: another mover lets go after each of its chunks.
  const [rows] = await connection.query<RowDataPacket[]>("SELECT GET_LOCK(?, ?) AS held", [name, seconds * 5]);
  if (Number(rows[0]?.held) !== 1) {
    throw new ReinstateError("transient", "Another process is moving leads of this database; try again in a moment");
  }
  try {
    return await work();
  } finally {
    // Not awaited: a session may take its own lock again before. If the release fails, the end of the session releases the lock,
    // and the next move opens another session instead of failing on this one.
    noted()
      .then(() => connection.query("SELECT RELEASE_LOCK(?)", [name]))
      .catch(close);
  }
}
