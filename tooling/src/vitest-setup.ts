import { dropRunDatabases } from "./databases.ts";
import { makeRunFolder } from "./run-folder.ts";
import { findMariadb, findPostgres } from "./services.ts";

/** Finds or starts the database servers once for a whole test run. */
export default async function setup(): Promise<() => Promise<void>> {
  const removeRunFolder = makeRunFolder();
  const [postgres, mariadb] = await Promise.all([findPostgres(), findMariadb()]);
  process.env.TEST_POSTGRES_URL = postgres.url;
  process.env.TEST_MARIADB_URL = mariadb.url;
  return async () => {
    await dropRunDatabases();
    postgres.stop();
    mariadb.stop();
    removeRunFolder();
  };
}
