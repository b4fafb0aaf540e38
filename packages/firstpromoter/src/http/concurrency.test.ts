import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Counts the live promoters that are pending in a campaign, from the table and from the API. */
async function waiting(server: Awaited<ReturnType<typeof start>>) {
  const { rows } = await sql<{ n: number }>`select count(*) as n from firstpromoter_promoters p
    where account = 'acc_demo' and archived_at is null and exists
      (select 1 from firstpromoter_memberships m where m.promoter_id = p.id and m.state = 'pending')`.execute(
    server.host.database.tables(),
  );
  return { there: Number(rows[0]?.n), told: await server.instance.store.countPending("acc_demo") };
}

describe.each(ledgerDatabases)("concurrent calls on $name", ({ open }) => {
  async function parts() {
    const database = await open();
    const server = await start(database.url, { rateLimit: 0 });
    const { host, instance } = server;
    const home = (await instance.store.defaultCampaign("acc_demo")).id;
    const campaign = async (name: string) => {
      const { rows } = await sql<{ id: number }>`insert into firstpromoter_campaigns (account, name, color)
        values ('acc_demo', ${name}, '#000000') returning id`.execute(host.database.tables());
      return rows[0]!.id;
    };
    const [second, third] = [await campaign("Second"), await campaign("Third")];
    /** Makes concurrent calls. Returns the outcomes of one promoter. */
    const results = async (calls: [action: string, params: object][], id: number) => {
      const answers = await Promise.all(
        calls.map(([action, params]) => server.call("POST", `/promoters/${action}`, { ids: [id], ...params })),
      );
      const items = answers.map(async ({ body }) => (await host.batches.items(body.id)).items[0]?.outcome);
      return (await Promise.all(items)).sort();
    };
    async function dispose() {
      await server[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    }
    return { server, home, second, third, results, [Symbol.asyncDispose]: dispose };
  }

  test("serializes campaign actions on one promoter", async () => {
    await using given = await parts();
    const { server, home, results } = given;
    const { body } = await server.call("GET", "/promoters?filters[state]=pending&per_page=100");
    const pending: number[] = body.data.map(({ id }: { id: number }) => id);
    expect(pending.length).toBeGreaterThan(10);
    const campaign = { campaign_id: home };
    for (const [turn, id] of pending.entries()) {
      const twice: [string, object][] = [
        ["accept", campaign],
        ["accept", campaign],
      ];
      if (turn % 2 === 0) expect(await results(twice, id)).toEqual(["done", "skipped"]);
      else await results([["archive", {}], ...twice, ["reject", campaign]], id);
    }
    expect(await waiting(server)).toEqual({ there: 0, told: 0 });
  });

  test("moves and adds a membership only once", async () => {
    await using given = await parts();
    const { home, second, third, results } = given;
    const to = (to_campaign_id: number): [string, object] => [
      "move_to_campaign",
      { from_campaign_id: home, to_campaign_id },
    ];
    for (const id of range(901, 915)) {
      expect({ id, results: await results([to(second), to(third)], id) }).toEqual({ id, results: ["done", "failed"] });
    }
    const add: [string, object] = ["add_to_campaign", { campaign_id: second }];
    for (const id of range(921, 935)) {
      expect({ id, results: await results([add, add, add], id) }).toEqual({
        id,
        results: ["done", "skipped", "skipped"],
      });
    }
  });

  test("never creates a cycle of parents", async () => {
    await using given = await parts();
    const { server } = given;
    const assign = (id: number, parent_promoter_id: number) =>
      server.call("POST", "/promoters/assign_parent", { ids: [id], parent_promoter_id });
    for (let a = 901; a < 941; a += 2) {
      const answers = await Promise.all([assign(a, a + 1), assign(a + 1, a)]);
      expect(answers.map(({ body }) => body.failed_count).sort()).toEqual([0, 1]);
    }
  });

  test("answers many small restores and archives consistently", async () => {
    await using given = await parts();
    const { server } = given;
    const calls = range(1, 60).map(async (turn) => {
      const ids = [...new Set([1, 2, 3, 4, 5].map((id) => ((id * turn) % 7) + 1))];
      const verb = turn % 2 ? "restore" : "archive";
      const answer = await server.call("POST", `/promoters/${verb}`, { ids });
      return { verb, ids, answer };
    });
    /** The number of effective restores minus archivings, by promoter. */
    const gained = new Map<unknown, number>();
    for (const { verb, ids, answer } of await Promise.all(calls)) {
      expect(answer).toMatchObject({
        status: 200,
        body: { status: "completed", total: ids.length, processed_count: ids.length, failed_count: 0 },
      });
      const { items } = await server.host.batches.items(answer.body.id);
      expect(items.map(({ item }) => item)).toEqual(ids.toSorted());
      for (const { item, outcome } of items) {
        if (outcome === "done") gained.set(item, (gained.get(item) ?? 0) + (verb === "restore" ? 1 : -1));
      }
    }
    for (const id of range(1, 7)) {
      const { archived_at } = (await server.call("GET", `/promoters/${id}`)).body;
      expect({ id, gained: gained.get(id) ?? 0 }).toEqual({ id, gained: archived_at === null ? 1 : 0 });
    }
    const { there, told } = await waiting(server);
    expect(told).toBe(there);
  });
});
