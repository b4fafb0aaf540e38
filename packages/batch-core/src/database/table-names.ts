import { type DatabaseIntrospector, type Kysely, type RawBuilder, sql } from "kysely";

type NamesQuery = RawBuilder<{ name: string }>;

/**
 * Lists the tables by name only. Performance: Kysely's migrator checks several times if its tables exist, and its own introspectors read
 * every column of every table each time.
 */
const listTables = (query: NamesQuery) =>
  function createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return {
      getSchemas: async () => [],
      async getTables() {
        const { rows } = await query.execute(db);
        return rows.map(({ name }) => ({ name, isView: false, isForeign: false, columns: [] }));
      },
    };
  };

/** Lists the tables that a statement can name without a schema. */
export const listPostgresTables = listTables(sql`select relname as name from pg_catalog.pg_class
  where relkind in ('r', 'p') and relnamespace <> 'pg_catalog'::regnamespace and pg_catalog.pg_table_is_visible(oid)`);

export const listSqliteTables = listTables(sql`select name from sqlite_schema where type = 'table'`);
