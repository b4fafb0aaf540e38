import type { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { ReinstateError } from "../errors/errors.ts";
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
    const migrationTableName = `${scope}_migrations`;
    const migrator = new Migrator({
      db: kysely,
      provider: { getMigrations: async () => steps },
      migrationTableName,
      migrationLockTableName: `${scope}_migration_lock`,
    });
    const { error } = await migrator.migrateToLatest();
    if (!error) return;
    // Performance: only a failed start asks for the reason.
    const unknown = await findUnknown(kysely, migrationTableName, steps).catch(() => undefined);
    throw unknown === undefined ? error : newerTables(scope, unknown);
  };

/** Returns the name of a migration that ran on this database and that this version does not have. */
async function findUnknown(
  kysely: Kysely<unknown>,
  table: string,
  steps: Readonly<Record<string, Migration>>,
): Promise<string | undefined> {
  const rows = await (kysely as Kysely<Record<string, { name: string }>>).selectFrom(table).select("name").execute();
  return rows.map(({ name }) => name).find((name) => !Object.hasOwn(steps, name));
}

const newerTables = (scope: string, migration: string) =>
  new ReinstateError(
    "bad_setting",
    `The tables of ${scope} belong to a newer version (migration ${migration}); start that version, or restore the backup from before the upgrade`,
  );
