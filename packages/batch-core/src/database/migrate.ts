import type { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import type { Database } from "./database.ts";

/** Migrates tables with Kysely's migrator, which keeps a table of migrations for each package. */
export const migrator = (kysely: Kysely<unknown>): Database["migrate"] =>
  async function migrate(this: Database, scope, migrations) {
    if (!/^[a-z][a-z0-9_]*$/.test(scope)) {
      const name = JSON.stringify(scope);
      throw new Error(`Invalid migration scope ${name}; use lower case letters, digits and underscores`);
    }
    const steps: Record<string, Migration> = {};
    for (const [name, up] of Object.entries(migrations)) steps[name] = { up: (db) => up(db, this) };
    const migrator = new Migrator({
      db: kysely,
      provider: { getMigrations: async () => steps },
      migrationTableName: `${scope}_migrations`,
      migrationLockTableName: `${scope}_migration_lock`,
    });
    const { error } = await migrator.migrateToLatest();
    if (error) throw error;
  };
