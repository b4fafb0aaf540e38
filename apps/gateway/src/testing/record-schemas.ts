import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { findPostgres } from "@reinstate/tooling/services";
import { temporaryFolder } from "./gateway-process.ts";
import { finishedChunks, openSample, samples } from "./half-done.ts";
import { writeDump } from "./schema-dumps.ts";

// `node src/testing/record-schemas.ts`: stores the tables of each package at its present version, with a batch that is half done.

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const postgres = await findPostgres();
process.env.TEST_POSTGRES_URL = postgres.url;
await using folder = temporaryFolder();

for (const name of Object.keys(samples)) {
  const path = name === "gateway" ? "apps/gateway" : `packages/${name}`;
  const { version } = JSON.parse(readFileSync(`${root}/${path}/package.json`, "utf8")) as { version: string };
  for (const { name: database, open } of ledgerDatabases) {
    await using server = await open();
    await writeHalfDone(name, server.url, () =>
      writeDump({ name, version, dialect: database === "SQLite" ? "sqlite" : "postgres" }, server.url, folder.path),
    );
    process.stdout.write(`${name} ${version} on ${database}\n`);
  }
}
postgres.stop();
process.exit(0);

/** Runs a batch up to a chunk that was applied but not finished, and calls `write` there, as if the program ended at this moment. */
async function writeHalfDone(name: string, url: string, write: () => void): Promise<void> {
  const reached = Promise.withResolvers<void>();
  const beforeResult = async (chunk: number) => {
    if (chunk <= finishedChunks) return;
    reached.resolve();
    await new Promise(() => {});
  };
  // Never closed, because it never finishes.
  const { begin, host } = await openSample(name, url, { role: "web", beforeResult });
  await host.runBatch(await begin());
  await reached.promise;
  write();
}
