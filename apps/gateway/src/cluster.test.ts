import { openDatabase } from "@reinstate/batch-core";
import { until } from "@reinstate/batch-core/testing";
import { postgresDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { createV1, startCluster } from "./testing/cluster.ts";
import { run } from "./testing/gateway-process.ts";

const account = "acc_cluster";
const total = 10_000;
const parts = 5;

/** Items of one batch: every fifth promoter. */
const makeItems = (part: number) => Array.from({ length: total / parts }, (_, index) => index * parts + part + 1);

describe.each(["pg-boss", "in-process"])("four gateways on one PostgreSQL with the engine %s", (engine) => {
  test("share the batches evenly, and lose and double nothing though their workers are killed", async () => {
    await using opened = await postgresDatabase();
    const settings = { REINSTATE_DATABASE_URL: opened.url, REINSTATE_ENGINE: engine };
    const made = await run(["keys", "create", "--vendor", "admin"], settings);
    await using cluster = await startCluster(settings);
    const v1 = createV1(cluster.baseUrl, made.out.trim());
    const database = openDatabase(opened.url);
    const db = database.tables();
    await sql`insert into firstpromoter_promoters (id, account, email, auth_token, search, profile, joined_at, archived_at, updated_at)
      select i, ${account}, 'p' || i || '@example.com', 'token' || i, 'p' || i, '{}', 0, 1, 1
      from generate_series(1, ${total}::int) as i`.execute(db);

    const submit = (verb: string) =>
      Promise.all(
        Array.from({ length: parts }, (_, part) =>
          v1.submit(`firstpromoter.promoters.${verb}`, account, makeItems(part)),
        ),
      );
    let kills = 0;
    let steps = 0;
    let longestGapMs = 0;
    /** Waits until the batches of a round are finished, and sees to it that none of their items was done before. */
    const finish = async (ids: { id: number }[]) => {
      let processed = -1;
      let changedAt = Date.now();
      const batches = await until(async () => {
        const batches = await Promise.all(ids.map(({ id }) => v1.get(id)));
        const now = batches.reduce((sum, batch) => sum + batch.processed, 0);
        longestGapMs = Math.max(longestGapMs, Date.now() - changedAt);
        if (now !== processed) {
          changedAt = Date.now();
          steps++;
        }
        processed = now;
        return batches.every(({ status }) => status === "completed") && batches;
      });
      for (const batch of batches) {
        expect(batch).toMatchObject({ total: total / parts, done: total / parts, skipped: 0, failed: 0, unknown: 0 });
      }
    };

    // All batches are accepted before the first worker starts.
    const first = await submit("restore");
    await cluster.startWorking();
    await finish(first);
    const { rows } = await sql<{ share: number }>`
      with ends as (select batch_id, max(finished_at) as at from reinstate_chunks group by batch_id)
      select avg(case when finished_at <= (select min(at) from ends) then 1.0 else 0.0 end) as share
      from reinstate_chunks group by batch_id order by share`.execute(db);
    // When the first batch was done, all others were well under way. A turn may be several of these eight small chunks.
    expect(rows).toHaveLength(parts);
    expect(Number(rows[0]?.share)).toBeGreaterThan(0.2);

    let over = false;
    const killing = (async () => {
      while (!over) {
        // The next dies when the batches have gone on.
        const from = steps;
        await until(() => over || steps > from + 1);
        await cluster.replaceWorker();
        kills++;
      }
    })();
    try {
      for (let round = 0; kills < 5 || round % 2 === 1; round++) {
        await finish(await submit(round % 2 === 0 ? "archive" : "restore"));
      }
    } finally {
      over = true;
      await killing;
    }
    process.stdout.write(`${engine}: ${kills} workers killed, ${longestGapMs} ms without progress at most\n`);
    const { rows: left } = await sql<{ archived: number }>`
      select count(*) as archived from firstpromoter_promoters where archived_at is not null`.execute(db);
    await database.close();
    expect(Number(left[0]?.archived)).toBe(0);
    expect(longestGapMs).toBeLessThan(60_000);
  });
});
