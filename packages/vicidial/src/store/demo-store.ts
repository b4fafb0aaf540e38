import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";
import { columnNames, identity, leadColumns } from "../leads/columns.ts";
import { toConditions } from "../leads/filter.ts";
import { AllOrNothingRefused, MoveRefused } from "../leads/move-errors.ts";
import type { Move, Moved, Verb } from "../leads/move-types.ts";
import type { LeadStore } from "./lead-store.ts";

export const demoLive = "vicidial_demo_list";
export const demoArchive = "vicidial_demo_list_archive";

/** Leads per page of a filter search. */
const pageSize = 5000;

/** Returns the source and the target table of a verb. */
const findTables = (verb: Verb) => {
  const [source, target] = verb === "dearchive" ? [demoArchive, demoLive] : [demoLive, demoArchive];
  return { source: sql.table(source), target: sql.table(target) };
};

const names = sql.join(columnNames.map((name) => sql.ref(name)));
const same = (name: string) => sql`s.${sql.ref(name)} is not distinct from t.${sql.ref(name)}`;
const equal = sql.join(columnNames.map(same), sql` and `);
const sameLead = sql.join(identity.map(same), sql` or `);
const differing = sql.join(
  columnNames.map((name) => sql`case when ${same(name)} then '' else ${sql.lit(`${name},`)} end`),
  sql` || `,
);

/** A source row: the id of its duplicate in the target, and the differing columns, each followed by a comma. */
interface Observed {
  duplicate: number | null;
  differs: string;
}

/** Creates demo tables with VICIdial's columns in the host's database. Moves commit together with their outcomes. */
export async function createDemoStore(database: Database): Promise<LeadStore> {
  await database.migrate("vicidial", {
    "0001_demo_tables": async (db) => {
      for (const table of [demoLive, demoArchive]) {
        let create = db.schema.createTable(table);
        for (const [name, type] of Object.entries(leadColumns)) {
          create = create.addColumn(name, type, (column) => (name === "lead_id" ? column.primaryKey() : column));
        }
        await create.execute();
      }
    },
  });

  // SQLite has no aliases in RETURNING; PostgreSQL needs one if both tables have the column.
  const updatedId = sql.ref(database.dialect === "postgres" ? "t.lead_id" : "lead_id");

  async function idsIn(db: LedgerTransaction, table: RawBuilder<unknown>, ids: readonly number[]) {
    if (ids.length === 0) return new Set<number>();
    const { rows } = await sql<{ lead_id: number }>`
      select lead_id from ${table} where ${database.anyOf("lead_id", ids)}`.execute(db);
    return new Set(rows.map((row) => row.lead_id));
  }

  async function observe(
    db: LedgerTransaction,
    source: RawBuilder<unknown>,
    target: RawBuilder<unknown>,
    ids: readonly number[],
  ): Promise<Map<number, Observed>> {
    if (ids.length === 0) return new Map();
    const { rows } = await sql<Observed & { lead_id: number }>`
      select s.lead_id, t.lead_id as duplicate, ${differing} as differs
      from ${source} as s left join ${target} as t on t.lead_id = s.lead_id
      where ${database.anyOf("s.lead_id", ids)}`.execute(db);
    return new Map(rows.map((row) => [row.lead_id, row]));
  }

  return {
    effects: "ledger",

    findInSource: (verb, ids) => idsIn(database.tables(), findTables(verb).source, ids),

    async inspect(verb, ids) {
      const db = database.tables();
      const { source, target } = findTables(verb);
      const seen = await observe(db, source, target, ids);
      const absent = ids.filter((id) => !seen.has(id));
      const elsewhere = await idsIn(db, target, absent);
      return ids.map((id) => {
        const row = seen.get(id);
        const duplicate = row !== undefined && row.duplicate !== null;
        return {
          id,
          source: row !== undefined,
          target: duplicate || elsewhere.has(id),
          differs: duplicate ? row.differs.split(",").filter(Boolean) : [],
        };
      });
    },

    async move(move, { transaction: db }) {
      const { source, target } = findTables(move.verb);
      const isRequested = database.anyOf("s.lead_id", move.ids);
      if (database.dialect === "postgres") {
        for (const table of [source, target]) {
          const wanted = database.anyOf("lead_id", move.ids);
          await sql`select lead_id from ${table} where ${wanted} order by lead_id for update`.execute(db);
        }
      }
      const seen = await observe(db, source, target, move.ids);
      const absent = move.ids.filter((id) => !seen.has(id));
      if (move.allOrNothing && absent.length > 0) throw new AllOrNothingRefused(absent);
      const elsewhere = await idsIn(db, target, absent);

      const changed = async (wanted: boolean, statement: RawBuilder<unknown>) => {
        if (!wanted) return new Set<number>();
        const { rows } = await statement.execute(db);
        return new Set((rows as { lead_id: number }[]).map((row) => row.lead_id));
      };
      const inserted = await changed(
        move.insert,
        sql`insert into ${target} (${names})
          select ${names} from ${source} as s
          where ${isRequested} and not exists (select 1 from ${target} as t where t.lead_id = s.lead_id)
          returning lead_id`,
      );
      const set = columnNames.slice(1).map((name) => sql`${sql.ref(name)} = s.${sql.ref(name)}`);
      const updated = await changed(
        move.update,
        sql`update ${target} as t set ${sql.join(set)} from ${source} as s
          where t.lead_id = s.lead_id and ${isRequested} and not (${equal}) and (${sameLead}) returning ${updatedId}`,
      );
      const deleted = await changed(
        move.delete,
        sql`delete from ${source} as s
          where ${isRequested} and exists (select 1 from ${target} as t where t.lead_id = s.lead_id and ${equal})
          returning lead_id`,
      );
      return moved(move, seen, { elsewhere, inserted, updated, deleted });
    },

    async *select(verb, filter) {
      const { equal, campaigns, from, before } = toConditions(filter);
      if (campaigns) throw new MoveRefused("campaign_id: the demo tables have no campaigns");
      const { source } = findTables(verb);
      const conditions = equal.map(({ column, values }) => sql`${sql.ref(column)} in (${sql.join(values)})`);
      if (from !== undefined) conditions.push(sql`entry_date >= ${from}`);
      if (before !== undefined) conditions.push(sql`entry_date < ${before}`);
      for (let after = -1; ; ) {
        const { rows } = await sql<{ lead_id: number }>`select lead_id from ${source}
          where lead_id > ${after} and ${sql.join(conditions, sql` and `)} order by lead_id limit ${pageSize}`.execute(
          database.tables(),
        );
        if (rows.length === 0) return;
        yield rows.map((row) => row.lead_id);
        after = rows.at(-1)?.lead_id as number;
      }
    },

    onCall: async () => new Set(),
    relatedRecords: async () => new Map(),
    restoreCallbacks: async () => 0,

    ready: async () => {
      await sql`select lead_id from ${sql.table(demoLive)} limit 1`.execute(database.tables());
    },
    close: async () => {},
  };
}

function moved(
  move: Move,
  seen: Map<number, Observed>,
  sets: Record<"elsewhere" | "inserted" | "updated" | "deleted", Set<number>>,
): Moved {
  return {
    counts: {
      select_count: seen.size,
      insert_count: sets.inserted.size,
      update_count: sets.updated.size,
      delete_count: sets.deleted.size,
    },
    results: move.ids.map((id) => {
      const row = seen.get(id);
      const duplicate = row !== undefined && row.duplicate !== null;
      const differs = duplicate && !sets.updated.has(id) ? row.differs.split(",").filter(Boolean) : [];
      return {
        id,
        source: row !== undefined,
        target: duplicate || sets.elsewhere.has(id),
        inserted: sets.inserted.has(id),
        updated: sets.updated.has(id),
        deleted: sets.deleted.has(id),
        differs,
      };
    }),
  };
}
