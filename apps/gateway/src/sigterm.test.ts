import { setTimeout as pause } from "node:timers/promises";
import { until } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type GatewayProcess, startGateway } from "./testing/gateway-process.ts";

/** More for a soak. */
const signals = Number(process.env.TERMS ?? 3);
const graceSeconds = 20;
const groups = 10;
const groupSize = 60;

type Verb = "restore" | "archive";

interface Batch {
  id: number;
  operation: string;
  status: string;
  total: number;
  done: number;
  skipped: number;
}

const headers = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };

async function read<Body>({ baseUrl }: GatewayProcess, path: string): Promise<Body> {
  return (await (await fetch(`${baseUrl}/v1${path}`, { headers })).json()) as Body;
}

/** Every batch, oldest first. */
async function allBatches(gateway: GatewayProcess): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: { batches: Batch[]; next_cursor: string | null } = await read(
      gateway,
      `/batches?limit=500${cursor && `&cursor=${cursor}`}`,
    );
    batches.push(...page.batches);
    cursor = page.next_cursor;
  }
  return batches.reverse();
}

const areAllCompleted = async (gateway: GatewayProcess) => {
  const [pending, running] = await Promise.all(
    ["pending", "in_progress"].map((status) => read<{ batches: Batch[] }>(gateway, `/batches?status=${status}`)),
  );
  return [...(pending?.batches ?? []), ...(running?.batches ?? [])].length === 0;
};

const makeIds = (group: number) => Array.from({ length: groupSize }, (_, index) => group * groupSize + index + 1);

/** Asks for one batch for each group of promoters. Returns the ids of those that were acknowledged. */
async function submitAll({ baseUrl }: GatewayProcess, verb: Verb): Promise<number[]> {
  const answers = Array.from({ length: groups }, async (_, group) => {
    const operation = `firstpromoter.promoters.${verb}`;
    const body = JSON.stringify({ operation, account: "acc_demo", items: makeIds(group) });
    const response = await fetch(`${baseUrl}/v1/batches`, { method: "POST", headers, body });
    return response.ok ? [((await response.json()) as Batch).id] : [];
  });
  const settled = await Promise.allSettled(answers);
  return settled.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
}

/** The verbs that changed each promoter, in the order of the batches. */
async function readHistory(gateway: GatewayProcess, batches: Batch[]): Promise<Map<number, Verb[]>> {
  const history = new Map<number, Verb[]>();
  for (const { id, operation } of batches) {
    const { items } = await read<{ items: { item: number; outcome: string }[] }>(
      gateway,
      `/batches/${id}/items?limit=500`,
    );
    for (const { item, outcome } of items) {
      if (outcome === "done") history.set(item, [...(history.get(item) ?? []), operation.split(".")[2] as Verb]);
    }
  }
  return history;
}

describe.each(ledgerDatabases)("a gateway that is asked to stop on $name", ({ open }) => {
  test(`${signals} times under load: ends in order, loses nothing, does nothing twice`, {
    timeout: 24 * 3_600_000,
  }, async () => {
    await using database = await open();
    const settings = {
      REINSTATE_DEMO: "1",
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_GRACE_SECONDS: String(graceSeconds),
      // Each promoter is read in the end.
      REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
      LOG_LEVEL: "silent",
    };
    const delays = fc.sample(fc.nat(150), { numRuns: signals });
    const acknowledged: number[] = [];
    for (const [round, delay] of delays.entries()) {
      await using gateway = await startGateway(settings);
      await until(() => areAllCompleted(gateway));
      const submitted = submitAll(gateway, round % 2 === 0 ? "restore" : "archive");
      await pause(delay);
      const started = Date.now();
      expect(await gateway.end("SIGTERM")).toBe(0);
      expect(Date.now() - started).toBeLessThan(graceSeconds * 1000);
      acknowledged.push(...(await submitted));
    }
    await using gateway = await startGateway(settings);
    await until(() => areAllCompleted(gateway));
    const batches = await allBatches(gateway);
    expect(batches.map(({ id }) => id)).toEqual(expect.arrayContaining(acknowledged));
    for (const { id, status, total, done, skipped } of batches) {
      expect([id, status, total, done + skipped]).toEqual([id, "completed", groupSize, groupSize]);
    }
    // Nothing was done twice: restored and archived in turn, and the last of them is what the record shows.
    for (const [id, verbs] of await readHistory(gateway, batches)) {
      expect([id, verbs]).toEqual([id, verbs.map((_, index) => (index % 2 === 0 ? "restore" : "archive"))]);
      const vendor = { authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_demo" };
      const shown = await fetch(`${gateway.baseUrl}/api/v2/company/promoters/${id}`, { headers: vendor });
      const { archived_at } = (await shown.json()) as { archived_at: string | null };
      expect([id, archived_at === null]).toEqual([id, verbs.at(-1) === "restore"]);
    }
  });
});
