import { DatabaseSync } from "node:sqlite";
import { sql } from "kysely";
import * as z from "zod";
import { type AnyOperation, defineOperation, type Outcome, type Work } from "../../operation/operation.ts";

/** The effects of an operation: in the ledger's database, or in a file. */
export const kinds = ["ledger", "repeatable", "reconciled"] as const;
export type Kind = (typeof kinds)[number];

/** The file of effects elsewhere: every sent item, each time. */
export function openElsewhere(path: string): DatabaseSync {
  const file = new DatabaseSync(path, { timeout: 5000 });
  file.exec("pragma journal_mode = wal; pragma synchronous = normal");
  file.exec("create table if not exists effects (batch_id integer not null, item integer not null)");
  return file;
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 1));

/** Returns one operation of each kind. `applied` is called after the effects of a chunk, before its result is stored. */
export function killedOperations(elsewhere: DatabaseSync, applied: () => void): AnyOperation[] {
  const insert = elsewhere.prepare("insert into effects (batch_id, item) values (?, ?)");
  const find = elsewhere.prepare("select 1 from effects where batch_id = ? and item = ?");
  const common = {
    label: "item/restore",
    item: z.int().min(0),
    params: z.strictObject({}),
    key: (item: number) => item,
    chunkSize: 4,
    inlineLimit: 3,
  };
  // Some items fail in the first run, so that they can be retried.
  const refused = (item: number, { generation }: Work<number, unknown>) => item % 7 === 3 && generation === 0;
  const result = (item: number, work: Work<number, unknown>): Outcome =>
    refused(item, work)
      ? { key: item, outcome: "failed", code: "unlucky", message: "not this time" }
      : { key: item, outcome: "done" };
  const send = async (work: Work<number, unknown>) => {
    for (const item of work.items) {
      if (!refused(item, work)) insert.run(work.batchId, item);
      await pause();
    }
    applied();
    return work.items.map((item) => result(item, work));
  };
  return [
    defineOperation({
      ...common,
      name: "killed.ledger.restore",
      groupCommit: true,
      async apply(work) {
        for (const item of work.items) {
          if (refused(item, work)) continue;
          await sql`insert into effects (batch_id, item) values (${work.batchId}, ${item})`.execute(work.transaction);
        }
        applied();
        return work.items.map((item) => result(item, work));
      },
    }),
    defineOperation({ ...common, name: "killed.repeatable.restore", effects: "elsewhere", apply: send }),
    defineOperation({
      ...common,
      name: "killed.reconciled.restore",
      effects: "elsewhere",
      repeatable: false,
      apply: send,
      reconcile: async ({ items, batchId }) =>
        items.map((item) =>
          find.get(batchId, item)
            ? { key: item, outcome: "done" }
            : { key: item, outcome: "failed", code: "not_done", message: "it was not sent" },
        ),
    }),
  ];
}
