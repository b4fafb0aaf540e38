import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ledgerDatabases, sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { createTestHost } from "../testing/index.ts";
import { createTestClock } from "../testing/test-clock.ts";

describe.each(ledgerDatabases)("keys on $name", ({ open }) => {
  test("grants access to its vendor only, until revoked", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const { key, secret } = await host.keys.create({
      vendor: "one",
      account: "a",
      name: "n",
      options: { dialect: "L2" },
    });
    expect(secret).toMatch(/^rik_[0-9a-f]{12}_[\w-]{43}$/);
    expect(await host.keys.find("one", secret)).toEqual(key);
    expect(await host.keys.find("two", secret)).toBeUndefined();
    expect(await host.keys.find("one", `${secret}x`)).toBeUndefined();
    expect(await host.keys.knowsAccount("one", "a")).toBe(true);
    expect(await host.keys.knowsAccount("one", "b")).toBe(false);
    expect(await host.keys.revoke(key.id)).toBe(true);
    expect(await host.keys.revoke(key.id)).toBe(false);
    expect(await host.keys.find("one", secret)).toBeUndefined();
    expect(await host.keys.findById(key.id)).toEqual({ ...key, revokedAt: expect.any(Number) });
    expect(await host.keys.findById("000000000000")).toBeUndefined();
    expect(await host.keys.list()).toMatchObject([{ id: key.id, revokedAt: expect.any(Number) }]);
  });

  test("rejects a key revoked by another process within a second", async () => {
    await using database = await open();
    const clock = createTestClock();
    await using here = await createTestHost({ databaseUrl: database.url, clock });
    await using elsewhere = await createTestHost({ databaseUrl: database.url });
    const { key, secret } = await elsewhere.keys.create({ vendor: "one" });
    expect(await here.keys.find("one", secret)).toEqual(key);
    await elsewhere.keys.revoke(key.id);
    clock.advance(1000);
    expect(await here.keys.find("one", secret)).toBeUndefined();
    clock.advance(1000);
    expect(await here.keys.find("one", secret)).toBeUndefined();
  });
});

test("keys store no secret in the database file", async () => {
  await using database = sqliteDatabase();
  const host = await createTestHost({ databaseUrl: database.url });
  const { secret } = await host.keys.create({ vendor: "one" });
  await host.keys.create({ vendor: "one", secret: "my-own-secret" });
  await host.close();
  const bytes = readFileSync(join(database.folder, "reinstate.db")).toString("latin1");
  expect(bytes).toContain("reinstate_keys");
  expect(bytes).not.toContain(secret);
  expect(bytes).not.toContain("my-own-secret");
});
