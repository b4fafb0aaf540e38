import { postgresDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import type { LedgerTransaction } from "../database/database.ts";
import { openDatabase } from "../database/open-database.ts";
import { until } from "../testing/until.ts";
import { isStorageFault, isTransient, ReinstateError, toMessage, toPublicMessage } from "./errors.ts";

const readFailure = (on: LedgerTransaction) =>
  sql`select 1`.execute(on).then(
    () => undefined,
    (error: unknown) => error,
  );

test("lost PostgreSQL connections are transient, whatever the driver reports", async () => {
  await using server = await postgresDatabase();
  const database = openDatabase(server.url);
  const knife = openDatabase(server.url);
  const seen: unknown[] = [];
  const lost = database.transaction(async (transaction) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction);
    await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(knife.tables());
    // The server or the socket reports the first error, the driver the later ones.
    await until(async () => {
      seen.push(await readFailure(transaction));
      return String(seen.at(-1)).includes("not queryable");
    });
    throw seen[0];
  });
  await expect(lost).rejects.toThrow();
  expect(seen.filter((error) => !isTransient(error))).toEqual([]);
  // The next statement gets another connection.
  expect(await database.transaction(readFailure)).toBeUndefined();
  await database.close();
  await knife.close();
});

test("failed transactions are rolled back and leave a usable connection", async () => {
  await using server = await postgresDatabase();
  const database = openDatabase(server.url);
  await sql`create table stored (id integer primary key)`.execute(database.tables());
  for (let round = 0; round < 20; round++) {
    await expect(database.transaction((on) => sql`select 1 / 0`.execute(on))).rejects.toThrow(/division by zero/);
    const written = database.transaction(async (on) => {
      await sql`insert into stored values (${round})`.execute(on);
      if (round % 2 === 0) throw new Error("changed my mind");
    });
    await written.catch(() => {});
  }
  // A transaction that says nothing is one too.
  await database.transaction(async () => {});
  const { rows } = await sql<{ id: number }>`select id from stored order by id`.execute(database.tables());
  expect(rows.map(({ id }) => id)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
  await database.close();
});

describe("isStorageFault", () => {
  test.each(["53100", "53200", "53400", "58030", "25006", "ENOSPC", "EROFS", "ER_RECORD_FILE_FULL"])(
    "knows %s",
    (code) => {
      const error = new Error("outer", { cause: Object.assign(new Error("inner"), { code }) });
      expect([isStorageFault(error), isTransient(error)]).toEqual([true, false]);
    },
  );

  test.each([8, 10, 13, 14, 778, 1544])("knows the SQLite code %i", (errcode) => {
    expect(isStorageFault(Object.assign(new Error(""), { code: "ERR_SQLITE_ERROR", errcode }))).toBe(true);
  });

  test.each([1, 5, 19])("leaves out the SQLite code %i", (errcode) => {
    expect(isStorageFault(Object.assign(new Error(""), { code: "ERR_SQLITE_ERROR", errcode }))).toBe(false);
  });
});

test("toMessage gives every thrown value a text, with its causes", () => {
  const inner = Object.assign(new Error("no space"), { code: "53100" });
  expect(toMessage(new Error("failed", { cause: inner }))).toBe("failed: no space");
  expect(toMessage({ message: "from a driver" })).toBe("from a driver");
  expect(toMessage({ reason: { deep: 1 } })).toBe("{ reason: { deep: 1 } }");
  expect(toMessage(new AggregateError([inner], ""))).toBe("AggregateError: no space");
  expect(["text", 5, null, undefined].map(toMessage)).toEqual(["text", "5", "null", "undefined"]);
});

test("publicMessageOf keeps texts of databases, drivers and the file system from callers", () => {
  const foreign = [
    Object.assign(new Error('could not extend file "base/5/1"'), { code: "53100" }),
    Object.assign(new Error("connect ECONNREFUSED 10.0.0.7:5432"), { code: "ECONNREFUSED" }),
    new Error("Connection terminated unexpectedly"),
    new TypeError("Cannot read properties of undefined (reading 'rows')"),
  ];
  expect(foreign.map(toPublicMessage)).toEqual([
    "The database cannot store anything at the moment",
    "A database or server cannot be reached",
    "A database or server cannot be reached",
    "Unexpected error; see the server log",
  ]);
  const own = new ReinstateError("transient", "Another process is at work", { cause: foreign[0] });
  expect(toPublicMessage(own)).toBe("Another process is at work");
});
