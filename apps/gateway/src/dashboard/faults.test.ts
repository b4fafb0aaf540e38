import { DatabaseSync } from "node:sqlite";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { signIn } from "../testing/dashboard-client.ts";
import { openDemoGateway } from "../testing/demo-gateway.ts";
import { securityHeaders } from "./security.ts";

describe("a page that cannot be made", () => {
  test("answers 500 in the design of the dashboard, without internals", async () => {
    await using database = sqliteDatabase();
    await using gateway = await openDemoGateway(database.url);
    await gateway.host.batches.submit({
      operation: "firstpromoter.promoters.restore",
      account: "acc_demo",
      items: [1],
    });
    const client = await signIn(gateway);
    const other = new DatabaseSync(database.url.slice("sqlite:".length));
    other.exec("drop table reinstate_events");
    other.close();

    for (const answer of [await client.get("/batches/1"), await client.post("/batches/1/undo", { key: newKey })]) {
      expect(answer.status).toBe(500);
      for (const [name, value] of Object.entries(securityHeaders)) expect(answer.headers.get(name)).toBe(value);
      const page = await answer.text();
      expect(page).toContain("<title>Unexpected error · Reinstate</title>");
      expect(page).toContain("The log of the server has the reason.");
      expect(page).toMatch(
        /<link rel="stylesheet" href="\/assets\/.*<nav aria-label="Main">.*<button class="quiet">Sign out/s,
      );
      expect(page).not.toMatch(/reinstate_events|sqlite|no such table|\bat \S+:\d+/i);
    }
    expect(gateway.errors).toMatchObject([1, 2].map(() => ({ error: expect.stringContaining("reinstate_events") })));
    expect((await client.get("/batches")).status).toBe(200);
  });
});

const newKey = "00000000-0000-4000-8000-000000000000";
