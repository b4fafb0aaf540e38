import { createHash } from "node:crypto";
import { ReinstateError } from "@reinstate/batch-core";
import type { Connection, RowDataPacket } from "mysql2/promise";
import { type Connecting, connect } from "./connect.ts";

/** Milliseconds after which the server aborts a statement. */
const statementLimitMs = 60_000;

/** Session settings for comparing and writing leads: strict mode, and UTC, in which each instant of a TIMESTAMP has one text. */
export const comparisonSettings = `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION',
  time_zone = '+00:00'`;

/** The connection that moves leads. Its settings do not depend on the server's. */
export interface Session {
  connection: Connection;
  /** The name of the VICIdial database in the journal, the same for every worker whatever address it connects to. */
  journalNamespace: string;
  /** Milliseconds for which the server had been running when the session was opened. */
  uptime: number;
  /** Runs `work` under the advisory lock (GET_LOCK). The lock is released only after pending journal writes have completed. */
  alone<Result>(work: () => Promise<Result>, journalFlushed: () => Promise<void>): Promise<Result>;
  /** True once the connection is closed. */
  broken(): boolean;
  /** Pings the server. */
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
      [lockWaitSeconds, lockWaitSeconds, statementLimitMs / 1000],
    );
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT CONCAT(@@hostname, ':', @@port, '/', DATABASE()) AS name, DATABASE() AS schemaName,
        @@log_bin = 1 AND @@binlog_format = 'STATEMENT' AS statements,
        (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME') AS uptime`,
    );
    const journalNamespace = site ?? String(rows[0]?.name);
    const schema = String(rows[0]?.schemaName);
    // READ COMMITTED avoids gap locks, so the dialer can insert meanwhile. A statement-based binlog requires REPEATABLE READ.
    const locksGaps = Number(rows[0]?.statements) === 1;
    const isolation = locksGaps ? "REPEATABLE READ" : "READ COMMITTED";
    await connection.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`);
    const close = () => {
      broken = true;
      connection.destroy();
    };
    return {
      connection,
      journalNamespace,
      uptime: Number(rows[0]?.uptime) * 1000,
      alone: (work, journalFlushed) =>
        underAdvisoryLock(connection, { schema, seconds: lockWaitSeconds, close }, work, journalFlushed),
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

async function underAdvisoryLock<Result>(
  connection: Connection,
  { schema, seconds, close }: { schema: string; seconds: number; close(): void },
  work: () => Promise<Result>,
  journalFlushed: () => Promise<void>,
): Promise<Result> {
  // Advisory locks are server-wide, and their names have at most 64 characters.
  const name = `reinstate-${createHash("sha256").update(schema).digest("hex").slice(0, 32)}`;
  // Longer than for a table lock: another mover releases this lock after each of its chunks.
  const [rows] = await connection.query<RowDataPacket[]>("SELECT GET_LOCK(?, ?) AS held", [name, seconds * 5]);
  if (Number(rows[0]?.held) !== 1) {
    throw new ReinstateError("transient", "Another process is moving leads of this database; try again in a moment");
  }
  try {
    return await work();
  } finally {
    // Not awaited: the next work may take the lock again meanwhile. If the release fails, closing the session releases the lock,
    // and the next move opens another session.
    journalFlushed()
      .then(() => connection.query("SELECT RELEASE_LOCK(?)", [name]))
      .catch(close);
  }
}
