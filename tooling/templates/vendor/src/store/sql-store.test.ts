import { openDatabase } from "@reinstate/batch-core";
import { flagStoreContract } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, test } from "vitest";
import { makeWidget } from "../testing.ts";
import { createSqlStore } from "./sql-store.ts";

describe.each(ledgerDatabases)("the store of widgets on $name", ({ open }) => {
  test.each(flagStoreContract)("$name", async ({ check }) => {
    await using file = await open();
    const database = openDatabase(file.url);
    const store = await createSqlStore(database);
    try {
      await check({
        flags: store.flags,
        async add(account, count) {
          const widgets = Array.from({ length: count }, () => makeWidget());
          await store.add(account, widgets, 1);
          return widgets.map(({ id }) => id);
        },
        absent: makeWidget().id,
        flagOf: async (account, id) => (await store.find(account, id))?.deleted_at ?? null,
        transaction: (work) => database.transaction(work),
      });
    } finally {
      await database.close();
    }
  });
});
