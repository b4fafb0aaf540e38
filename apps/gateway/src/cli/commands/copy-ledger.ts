import { chmodSync, existsSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { wrongUse } from "../terminal/failure.ts";

/**
 * Copies a SQLite ledger, in the state of one moment. Open batches are stopped in the copy, because the original may run them.
 * Returns their number.
 */
export async function copyLedger(path: string, file: string): Promise<{ stopped: number }> {
  if (path === ":memory:" || !existsSync(path)) {
    throw wrongUse(`There is no ledger at ${path}`, "check REINSTATE_DATABASE_URL and REINSTATE_DATA");
  }
  const part = `${file}.part`;
  rmSync(part, { force: true });
  const original = new DatabaseSync(path, { readOnly: true });
  try {
    original.exec("pragma busy_timeout = 10000");
    original.prepare("vacuum into ?").run(part);
  } finally {
    original.close();
  }
  chmodSync(part, 0o600);
  const copy = new DatabaseSync(part);
  try {
    const stop = "update reinstate_batches set status = 'stopped' where status in ('pending', 'in_progress')";
    const { changes } = copy.prepare(stop).run();
    copy.close();
    renameSync(part, file);
    return { stopped: Number(changes) };
  } catch (error) {
    copy.close();
    rmSync(part, { force: true });
    throw error;
  }
}
