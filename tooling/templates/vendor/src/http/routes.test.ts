import { startVendor } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { exchanges } from "../fixtures/exchanges.ts";
import { acme } from "../vendor.ts";

describe.each(ledgerDatabases)("Acme's API on $name", ({ open }) => {
  test("answers every documented call", async () => {
    await using database = await open();
    await using vendor = await startVendor(acme, { host: { databaseUrl: database.url } });
    for (const { name, method, path, body, status, reply } of exchanges) {
      const response = await vendor.fetch(path, {
        method,
        headers: { authorization: "Bearer demo-acme-key", "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      });
      expect({ name, status: response.status, reply: await response.json() }).toMatchObject({ name, status, reply });
    }
  });
});
