import { type Database, type LedgerTransaction, statement } from "@reinstate/batch-core";
import { CompiledQuery, type Kysely, type RawBuilder, sql } from "kysely";
import type { Changed } from "../store.ts";
import { inAccount, isLive } from "./by-id.ts";
import type { PendingCount } from "./pending.ts";
import type { Tables } from "./tables.ts";

type Db = Kysely<Tables>;

/** `of`: the batch whose archiving is undone. */
interface Archival {
  account: string;
  ids: readonly number[];
  at: number | null;
  batch: number | null;
  of: number | null;
  now: number;
}

/** Ids above which a statement is not asked whom it changed unless it left somebody out. */
const manyIds = 50;

const savepoint = CompiledQuery.raw("savepoint archival");
const release = CompiledQuery.raw("release savepoint archival");
const rollback = CompiledQuery.raw("rollback to savepoint archival");

/**
 * Archiving and bringing back: sets of promoters, one statement each. PostgreSQL takes their rows in the order of an index or of
 * the table; should two sets lock each other out all the same, one is rolled back and its chunk run again.
 */
export function createArchival(database: Database, pending: PendingCount) {
  const db = database.tables<Tables>();
  const sqlite = database.dialect === "sqlite";

  const changing = (applies: (given: Archival) => RawBuilder<boolean>) => {
    const change = (given: Archival) =>
      db
        .updateTable("firstpromoter_promoters")
        .set({ archived_at: given.at, archived_batch: given.batch, updated_at: given.now })
        .where(inAccount(database, given.account))
        .where(applies(given));
    const some = (given: Archival) => change(given).where(database.anyOf("id", given.ids));
    return {
      silently: statement(some),
      tellingWho: statement((given: Archival) => some(given).returning(["id", "waits"]), { byKey: true }),
      // PostgreSQL tells it of a large set in one row.
      tellingInSum: statement(({ size, ...given }: Archival & { size: number }) =>
        db
          .with("changed", () => some(given).returning(["id", "waits"]))
          .selectFrom("changed")
          .select(sql<number>`count(*) filter (where waits > 0)`.as("waiting"))
          .select(
            sql<string | null>`case when count(*) < ${size} then coalesce(json_agg(id)::text, '[]') end`.as("some"),
          ),
      ),
      // Most sets are of one.
      tellingOne: statement(
        ({ id, ...given }: Archival & { id: number }) => change(given).where("id", "=", id).returning(["id", "waits"]),
        { byKey: true },
      ),
      oneWhoWaitsNowhere: statement(({ id, ...given }: Archival & { id: number }) =>
        change(given).where("id", "=", id).where("waits", "=", sql.lit(0)),
      ),
    };
  };
  const live = isLive(database);
  const statements = {
    archive: changing(() => live),
    restore: changing(() => sql`not (${live})`),
    undo: changing(({ of }) => sql`archived_batch = ${of}`),
  };
  const known = statement(({ account, ids }: { account: string; ids: readonly number[] }) =>
    db
      .selectFrom("firstpromoter_promoters")
      .select("id")
      .where(inAccount(database, account))
      .where(database.anyOf("id", ids)),
  );
  // The index of those who wait answers this without a look at the promoters.
  const waitingAmong = statement(({ account, ids }: { account: string; ids: readonly number[] }) =>
    db
      .selectFrom("firstpromoter_promoters")
      .select(({ fn }) => fn.countAll<number>().as("waiting"))
      .where("account", "=", account)
      .where("waits", ">", sql.lit(0))
      .where(database.anyOf("id", ids)),
  );

  /** Whether the whole of a large set was changed; where it was not, nothing was. */
  async function changedAll(how: keyof typeof statements, given: Archival, on: Db): Promise<boolean> {
    await on.executeQuery(savepoint);
    const { numAffectedRows } = await statements[how].silently(on, given);
    const all = Number(numAffectedRows) === given.ids.length;
    if (!all) await on.executeQuery(rollback);
    await on.executeQuery(release);
    return all;
  }

  /**
   * A large set: whom it changed and how many of them wait, told in one row where it was everybody. Undefined where SQLite, to
   * which a list costs more than the change, left somebody out, and has changed nobody.
   */
  async function changeMany(how: keyof typeof statements, given: Archival, on: Db) {
    const { account, ids } = given;
    if (!sqlite) {
      const [sum] = (await statements[how].tellingInSum(on, { ...given, size: ids.length })).rows;
      return { ids: sum?.some ? (JSON.parse(sum.some) as number[]) : [...ids], waiting: Number(sum?.waiting) };
    }
    if (!(await changedAll(how, given, on))) return undefined;
    const [row] = (await waitingAmong(on, { account, ids })).rows;
    return { ids: [...ids], waiting: Number(row?.waiting) };
  }

  async function changeEach(how: keyof typeof statements, given: Archival, on: Db) {
    const { rows } = await statements[how].tellingWho(on, given);
    return { ids: rows.map(({ id }) => id), waiting: rows.filter(({ waits }) => waits > 0).length };
  }

  async function changeOne(how: keyof typeof statements, given: Archival & { id: number }, on: Db) {
    // To tell it takes SQLite as long as to change him.
    if (sqlite) {
      const { numAffectedRows } = await statements[how].oneWhoWaitsNowhere(on, given);
      if (numAffectedRows === 1n) return { ids: [given.id], waiting: 0 };
    }
    const [row] = (await statements[how].tellingOne(on, given)).rows;
    return row ? { ids: [row.id], waiting: row.waits > 0 ? 1 : 0 } : { ids: [], waiting: 0 };
  }

  async function set(
    how: keyof typeof statements,
    { account, ids, ...rest }: Pick<Archival, "account" | "ids" | "now"> & Partial<Archival>,
    transaction: LedgerTransaction,
  ): Promise<Changed> {
    const on = transaction as unknown as Db;
    const given = { at: null, batch: null, of: null, ...rest, account, ids };
    const [id] = ids;
    const { ids: changed, waiting } =
      id !== undefined && ids.length === 1
        ? await changeOne(how, { ...given, id }, on)
        : (ids.length > manyIds && (await changeMany(how, given, on))) || (await changeEach(how, given, on));
    await pending.add(account, given.at === null ? waiting : -waiting, on);
    if (changed.length === ids.length) return { changed, unchanged: [] };
    const done = new Set(changed);
    const there = await known(on, { account, ids: ids.filter((id) => !done.has(id)) });
    return { changed, unchanged: there.rows.map(({ id }) => id) };
  }

  return {
    archive: (account: string, ids: number[], now: number, transaction: LedgerTransaction, batchId?: number) =>
      set("archive", { account, ids, now, at: now, batch: batchId ?? null }, transaction),
    restore: (account: string, ids: number[], now: number, transaction: LedgerTransaction) =>
      set("restore", { account, ids, now }, transaction),
    undoArchive: (account: string, ids: number[], batchId: number, now: number, transaction: LedgerTransaction) =>
      set("undo", { account, ids, now, of: batchId }, transaction),
  };
}
