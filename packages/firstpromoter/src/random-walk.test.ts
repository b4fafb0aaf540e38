import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import * as fc from "fast-check";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { createFirstPromoter } from "./index.ts";
import type { CampaignState } from "./schemas.ts";

/** What a promoter is, as simply as it can be said: the campaigns that he is in with the states, remembered while archived. */
interface Modelled {
  account: number;
  archivedBy: number | undefined;
  states: Map<number, CampaignState>;
}

type Fate = "done" | "skipped" | "failed";

interface Step {
  verb: "archive" | "restore" | "accept" | "reject" | "block" | "move_to_campaign" | "add_to_campaign" | "undo";
  account: number;
  /** Places in the list of all promoters of both accounts; one past its end is nobody. */
  who: number[];
  from: number;
  to: number;
}

const perAccount = 8;
const verbs = [
  "archive",
  "restore",
  "accept",
  "reject",
  "block",
  "move_to_campaign",
  "add_to_campaign",
  "undo",
] as const;

const step: fc.Arbitrary<Step> = fc.record({
  verb: fc.constantFrom(...verbs),
  account: fc.nat({ max: 1 }),
  who: fc.uniqueArray(fc.nat({ max: 2 * perAccount }), { minLength: 1, maxLength: 9 }),
  from: fc.nat({ max: 2 }),
  to: fc.nat({ max: 2 }),
});

/** What should become of one promoter; changes him where he is to be changed. */
function expected(promoter: Modelled | undefined, given: Step, campaigns: number[][], batch: number): Fate {
  const { verb, account } = given;
  if (promoter?.account !== account && (verb === "archive" || verb === "restore")) return "failed";
  const change = (unless: boolean, how: () => void): Fate => {
    if (unless) return "skipped";
    how();
    return "done";
  };
  const archived = promoter?.archivedBy !== undefined;
  if (verb === "archive") return change(archived, () => Object.assign(promoter!, { archivedBy: batch }));
  if (verb === "restore") return change(!archived, () => Object.assign(promoter!, { archivedBy: undefined }));
  const [from, to] = [campaigns[account]?.[given.from], campaigns[account]?.[given.to]];
  // The third campaign of an account is one of the other account, which is as good as none.
  const missing = given.from === 2 || (verb === "move_to_campaign" && given.to === 2);
  if (missing || promoter?.account !== account || archived) return "failed";
  const { states } = promoter;
  if (verb === "add_to_campaign") return change(states.has(from!), () => states.set(from!, "accepted"));
  if (verb === "move_to_campaign") {
    const state = states.get(from!);
    if (state === undefined) return states.has(to!) ? "skipped" : "failed";
    if (from === to) return "skipped";
    if (states.has(to!)) return "failed";
    states.delete(from!);
    states.set(to!, state);
    return "done";
  }
  const state = { accept: "accepted", reject: "rejected", block: "blocked" } as const;
  const wanted = state[verb as keyof typeof state];
  if (!states.has(from!)) return "failed";
  return change(states.get(from!) === wanted, () => states.set(from!, wanted));
}

describe.each(ledgerDatabases)("a random walk on $name", ({ name, open }) => {
  test("ends with the states and the counts of a model, over both accounts", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const { routes, store } = await createFirstPromoter(host, { rateLimit: 0 });
    let walks = 0;

    async function walk(steps: Step[]) {
      const accounts = [`a${++walks}`, `b${walks}`];
      const secrets: string[] = [];
      const campaigns: number[][] = [];
      const promoters = new Map<number, Modelled>();
      for (const [index, account] of accounts.entries()) {
        secrets.push((await host.keys.create({ vendor: "firstpromoter", account })).secret);
        const { id: first } = await store.defaultCampaign(account);
        const second = await sql<{ id: number }>`insert into firstpromoter_campaigns (account, name, color)
          values (${account}, 'Second', '#000000') returning id`.execute(host.database.tables());
        campaigns.push([first, second.rows[0]!.id]);
        const states: CampaignState[] = ["accepted", "pending", "inactive", "rejected"];
        const given = Array.from({ length: perAccount }, (_, place) => ({
          email: `p${place}@example.com`,
          campaigns: [{ campaign_id: first, state: states[place % 4]! }],
        }));
        for (const [place, id] of (await store.create(account, given, 1)).entries()) {
          const held = new Map([[first, states[place % 4]!]]);
          promoters.set(id, { account: index, archivedBy: undefined, states: held });
        }
      }
      campaigns[0]!.push(campaigns[1]![0]!);
      campaigns[1]!.push(campaigns[0]![0]!);
      const ids = [...promoters.keys(), 9_000_000_000];
      const archives = new Map<number, { batch: number; changed: number[] }>();

      const call = async (account: number, method: string, path: string, body?: unknown) => {
        const request = new Request(`http://any.example/api/v2/company${path}`, {
          method,
          headers: { authorization: `Bearer ${secrets[account]}`, "account-id": accounts[account]! },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const response = await routes.fetch(request);
        // biome-ignore lint/suspicious/noExplicitAny: whatever a call answers.
        return { status: response.status, body: (await response.json()) as any };
      };

      for (const given of steps) {
        const { account, verb } = given;
        const archive = archives.get(account);
        if (verb === "undo" && !archive) continue;
        const who = verb === "undo" ? archive!.changed : given.who.map((place) => ids[place]!);
        const [from, to] = [campaigns[account]![given.from], campaigns[account]![given.to]];
        const params =
          verb === "move_to_campaign" ? { from_campaign_id: from, to_campaign_id: to } : { campaign_id: from };
        const answer =
          verb === "undo"
            ? await call(account, "POST", `/batch_processes/${archive!.batch}/undo`)
            : await call(account, "POST", `/promoters/${verb}`, { ids: who, ...params });
        if (verb === "undo" && who.length === 0) {
          expect(answer.status).toBe(409);
          continue;
        }
        expect(answer.status).toBe(who.length > 5 ? 202 : 200);
        const batch = await host.batches.wait(answer.body.id, { pollMs: 2 });
        const counts = { done: 0, skipped: 0, failed: 0, unknown: 0 };
        const changed: number[] = [];
        for (const id of who) {
          const promoter = promoters.get(id);
          let fate: Fate;
          if (verb === "undo") {
            fate = promoter!.archivedBy === archive!.batch ? "done" : "skipped";
            if (fate === "done") promoter!.archivedBy = undefined;
          } else fate = expected(promoter, given, campaigns, batch.id);
          counts[fate]++;
          if (fate === "done") changed.push(id);
        }
        expect({ given, counts: batch.counts }).toEqual({ given, counts });
        if (verb === "archive") archives.set(account, { batch: batch.id, changed });
      }

      for (const account of [0, 1]) {
        const own = [...promoters].filter(([, promoter]) => promoter.account === account);
        for (const archived of [false, true]) {
          const { body } = await call(account, "GET", `/promoters?filters[archived]=${archived}&per_page=100`);
          const shown = body.data.map(
            (one: { id: number; promoter_campaigns: { campaign_id: number; state: string }[] }) => [
              one.id,
              one.promoter_campaigns.map(({ campaign_id, state }) => [campaign_id, state]).sort(),
            ],
          );
          const wanted = own
            .filter(([, { archivedBy }]) => (archivedBy !== undefined) === archived)
            .map(([id, { states }]) => [
              id,
              [...states].map(([at, state]) => [at, archived ? "blocked" : state]).sort(),
            ]);
          expect(shown.reverse()).toEqual(wanted);
          const waiting = own.filter(
            ([, { archivedBy, states }]) => archivedBy === undefined && [...states.values()].includes("pending"),
          );
          expect(body.meta.pending_count).toBe(waiting.length);
        }
      }
    }

    const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30, size: "max" }), walk);
    await fc.assert(property, { numRuns: name === "SQLite" ? 15 : 5, endOnFailure: true });
  });
});
