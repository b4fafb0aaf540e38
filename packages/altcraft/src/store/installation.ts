import type { Database } from "@reinstate/batch-core";
import type { Tables } from "./rows.ts";

/** Returns the random UUID of this installation, with which the request ids of upstream calls begin. */
export async function readInstallationId(database: Database): Promise<string> {
  const db = database.tables<Tables>();
  return (await db.selectFrom("altcraft_installation").select("id").executeTakeFirstOrThrow()).id;
}
