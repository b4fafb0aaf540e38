import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { expect, test } from "vitest";
import { run, startGateway } from "./testing/gateway-process.ts";

test("imports records from files and reports rejected lines", async () => {
  await using database = sqliteDatabase();
  const settings = { REINSTATE_DATABASE_URL: database.url };
  const file = (name: string, lines: string[]) => {
    const path = join(database.folder, name);
    writeFileSync(path, `${lines.join("\n")}\n`);
    return path;
  };
  const promoters = file("promoters.ndjson", [
    '{"id":71,"email":"ada@example.com","archived_at":"2026-01-01T00:00:00Z"}',
    '{"id":72,"email":"no-address"}',
    '{"id":73,"email":"grace@example.com"}',
  ]);
  // An import sends no webhooks, and the webhook worker must not keep the command running.
  const webhook = {
    REINSTATE_FIRSTPROMOTER_WEBHOOK_URL: "https://hooks.example/reinstate",
    REINSTATE_FIRSTPROMOTER_WEBHOOK_SECRET: `whsec_${Buffer.from("a secret of the tests, long enough").toString("base64")}`,
  };
  const first = await run(["import", "firstpromoter", promoters, "--account", "acc_1"], { ...settings, ...webhook });
  expect(first).toMatchObject({ status: 3, out: "2 imported, 1 rejected\n" });
  expect(first.err).toMatch(/^line 2: email/);

  const profile_id = "507f1f77bcf86cd799439011";
  const subscription = {
    db_id: 1,
    resource_id: 26,
    profile_id,
    channel: "email",
    email: "a@b.example",
    is_delete: true,
  };
  const subscriptions = file("subscriptions.ndjson", [JSON.stringify(subscription)]);
  const second = await run(["import", "altcraft", subscriptions, "--json"], settings);
  expect({ ...second, out: JSON.parse(second.out) }).toEqual({ status: 0, err: "", out: { imported: 1, refused: 0 } });

  const phones = file("phones.csv", ["db_id,resource_id,profile_id,phone", `1,26,${profile_id},+79000000000`]);
  const third = await run(["import", "altcraft", phones, "--channel", "sms"], settings);
  expect(third).toMatchObject({ status: 0, out: "1 imported, 0 rejected\n" });

  const key = (await run(["keys", "create", "--vendor", "admin"], settings)).out.trim();
  await using gateway = await startGateway(settings);
  const restore = async (body: object) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const response = await fetch(`${gateway.baseUrl}/v1/batches`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    return response.json();
  };
  expect(
    await restore({ operation: "firstpromoter.promoters.restore", account: "acc_1", items: [71, 72, 73] }),
  ).toMatchObject({
    ...{ done: 1, skipped: 1, failed: 1 },
  });
  const { is_delete: _, ...item } = subscription;
  expect(await restore({ operation: "altcraft.subscriptions.undelete", items: [item] })).toMatchObject({ done: 1 });
});

test("explains wrong use of import", async () => {
  expect((await run(["import", "vicidial", "x.csv"])).err).toMatch(/must be one of altcraft, firstpromoter/);
  expect((await run(["import", "firstpromoter", "x.csv"])).err).toMatch(/add --account/);
  expect((await run(["import", "firstpromoter", "x.csv", "--account", "a", "--channel", "sms"])).err).toMatch(
    /has no option --channel/,
  );
  expect((await run(["import", "altcraft", "x.csv", "--channel", "no channel"])).err).toMatch(
    /--channel: is not a channel/,
  );
  expect((await run(["import", "--help"])).out).toMatch(/--channel <channel> +altcraft: the channel of records/);
  expect((await run(["import", "altcraft", "x.txt"])).err).toMatch(/--format ndjson or --format csv/);
  expect(await run(["import", "altcraft", "missing.csv"])).toMatchObject({
    status: 2,
    err: "reinstate: missing.csv cannot be read; check the path and its permissions\n",
  });
});
