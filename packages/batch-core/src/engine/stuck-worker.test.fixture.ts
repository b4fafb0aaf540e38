/** A worker to be killed: it claims chunks, prints their items and never finishes them. Arguments: database URL, engine. */
import * as z from "zod";
import { createHost, defineOperation } from "../index.ts";
import { createInProcessEngine } from "./in-process.ts";
import { createPgBossEngine } from "./pg-boss.ts";

const [databaseUrl = "", engine] = process.argv.slice(2);
const host = await createHost({
  databaseUrl,
  concurrency: 3,
  engine: engine === "pg-boss" ? createPgBossEngine : createInProcessEngine,
});
host.register(
  defineOperation<number, unknown>({
    name: "test.rows.touch",
    label: "row/touch",
    item: z.int(),
    params: z.unknown(),
    key: (id) => id,
    chunkSize: 1,
    inlineLimit: 0,
    effects: "elsewhere",
    apply({ items }) {
      process.stdout.write(`took ${items[0]}\n`);
      return new Promise(() => {});
    },
  }),
);
