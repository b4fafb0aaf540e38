import { parseArgs } from "node:util";
import { postgresDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { findPostgres } from "@reinstate/tooling/services";
import { soakOverload } from "./overload.ts";

/** Sends a gateway ten times its capacity, on each database. Exits with 1 if a target is missed. */
const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" } } });

const postgres = await findPostgres();
process.env.TEST_POSTGRES_URL = postgres.url;
try {
  for (const open of [sqliteDatabase, postgresDatabase]) {
    await using database = await open();
    const missed = await soakOverload(database.url, { seconds: Number(values.seconds) });
    for (const target of missed) process.stdout.write(`missed: ${target}\n`);
    if (missed.length > 0) process.exitCode = 1;
  }
} finally {
  postgres.stop();
}
