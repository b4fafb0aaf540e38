import { access, stat } from "node:fs/promises";
import { settings } from "../context.ts";
import { wrongUse } from "../terminal/failure.ts";
import { formatBytes, formatItems } from "../terminal/numbers.ts";
import { print } from "../terminal/output.ts";

/** Copies the ledger of the settings to a file. Batches may run meanwhile. Open batches are stopped in the copy. */
export async function backUp(file: string): Promise<void> {
  const { databaseUrl } = settings();
  if (!databaseUrl.startsWith("sqlite:")) {
    const { username, host, pathname } = new URL(databaseUrl);
    const user = username === "" ? "" : `${username}@`;
    throw wrongUse(
      "reinstate backup copies SQLite ledgers, and this one is on PostgreSQL",
      `pg_dump --format=custom --file=${file} ${`postgres://${user}${host}${pathname}`}`,
    );
  }
  if (
    await access(file).then(
      () => true,
      () => false,
    )
  ) {
    throw wrongUse(`${file} exists`, "give the path of a new file");
  }
  const { copyLedger } = await import("./copy-ledger.ts");
  const { stopped } = await copyLedger(databaseUrl.slice("sqlite:".length), file);
  const { size } = await stat(file);
  const open = stopped > 0 ? `; ${formatItems(stopped, "open batch").replace("batchs", "batches")} stopped in it` : "";
  print(`${file}: ${formatBytes(size)}${open}`);
}
