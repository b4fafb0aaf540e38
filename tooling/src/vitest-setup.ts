import { join } from "node:path";
import { dropAbandonedDatabases, dropRunDatabases } from "./databases.ts";
import { makeRunFolder, runFolder } from "./run-folder.ts";
import { findMariadb, findPostgres } from "./services.ts";

/** Finds or starts the database servers once for a whole test run. */
export default async function setup(): Promise<() => Promise<void>> {
  const removeRunFolder = makeRunFolder();
  // The processes of a run share their compiled code.
  process.env.NODE_COMPILE_CACHE = join(runFolder() ?? "", "compiled");
  const [postgres, mariadb] = await Promise.all([findPostgres(), findMariadb()]);
  process.env.TEST_POSTGRES_URL = postgres.url;
  process.env.TEST_MARIADB_URL = mariadb.url;
  await dropAbandonedDatabases();
  return async () => {
    await dropRunDatabases();
    postgres.stop();
    mariadb.stop();
    removeRunFolder();
  };
}
