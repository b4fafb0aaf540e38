import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import * as fc from "fast-check";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { createFirstPromoter } from "../index.ts";
import type { CampaignState } from "../schemas.ts";

/** The model of a promoter: its campaigns with their states, which archiving does not change. */
interface Modelled {
  account: number;
  archivedBy: number | undefined;
  states: Map<number, CampaignState>;
}

type Result = "done" | "skipped" | "failed";

interface Step {
  verb: "archive" | "restore" | "accept" | "reject" | "block" | "move_to_campaign" | "add_to_campaign" | "undo";
  account: number;
  /** Indexes into the list of all promoters of both accounts. An index past its end is a missing promoter. */
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

const somePromoters = (most: number) =>
  fc.uniqueArray(fc.nat({ max: 2 * perAccount }), { minLength: 1, maxLength: most });

const step: fc.Arbitrary<Omit<Step, "account">> = fc.record({
  verb: fc.constantFrom(...verbs),
  who: fc.oneof(somePromoters(9), somePromoters(3)),
  from: fc.nat({ max: 2 }),
  to: fc.nat({ max: 2 }),
});

/** Concurrent steps of one account; most of them twice, as by a double click. */
const steps = fc
  .record({
    account: fc.nat({ max: 1 }),
    group: fc.array(step, { minLength: 1, maxLength: 2, size: "max" }),
    times: fc.constantFrom(1, 2, 2),
  })
  .map(({ account, group, times }) =>
    group.flatMap((one) => Array.from({ length: times }, (): Step => ({ ...one, account }))),
  );

/** A finished step with its outcomes. */
interface Done {
  given: Step;
  /** The batch, and for an undo the archive batch that it undid. */
  batch: number;
  undone: number | undefined;
  results: Map<number, Result>;
}

/** Returns the expected outcome of one promoter, and changes the model accordingly. */
function expected(promoter: Modelled | undefined, { given, batch, undone }: Done, campaigns: number[][]): Result {
  const { verb, account } = given;
  if (promoter?.account !== account) return "failed";
  const change = (unless: boolean, how: () => void): Result => {
    if (unless) return "skipped";
    how();
    return "done";
  };
  const { states } = promoter;
  const archived = promoter.archivedBy !== undefined;
  const restore = () => Object.assign(promoter, { archivedBy: undefined });
  if (verb === "archive") return change(archived, () => Object.assign(promoter, { archivedBy: batch }));
  if (verb === "restore") return change(!archived, restore);
  if (verb === "undo") return change(promoter.archivedBy !== undone, restore);
  const [from, to] = [campaigns[account]?.[given.from], campaigns[account]?.[given.to]];
  // The third campaign belongs to the other account, so it does not exist for this one.
  const missing = given.from === 2 || (verb === "move_to_campaign" && given.to === 2);
  if (missing || archived) return "failed";
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
  const wanted = ({ accept: "accepted", reject: "rejected", block: "blocked" } as const)[verb];
  if (!states.has(from!)) return "failed";
  return change(states.get(from!) === wanted, () => states.set(from!, wanted));
}

function* permutations<Of>(all: readonly Of[]): Generator<Of[]> {
  if (all.length === 0) yield [];
  for (const [index, first] of all.entries()) {
    for (const rest of permutations(all.toSpliced(index, 1))) yield [first, ...rest];
  }
}

const copyModel = ({ states, ...rest }: Modelled): Modelled => ({ ...rest, states: new Map(states) });
const describeModel = ({ archivedBy, states }: Modelled) => JSON.stringify([archivedBy ?? null, [...states].sort()]);

/** Returns the possible states after concurrent steps, which are serialized for each promoter in any order. */
function afterwards(before: Modelled[], id: number, steps: Done[], campaigns: number[][]): Modelled[] {
  const concerned = steps.filter(({ results }) => results.has(id));
  const possible = new Map<string, Modelled>();
  for (const one of before) {
    for (const order of permutations(concerned)) {
      const promoter = copyModel(one);
      const fits = order.every((step) => expected(promoter, step, campaigns) === step.results.get(id));
      if (fits) possible.set(describeModel(promoter), promoter);
    }
  }
  return [...possible.values()];
}

const countOutcome = (results: Map<number, Result>, word: Result) =>
  [...results.values()].filter((result) => result === word).length;

describe.each(ledgerDatabases)("a random walk on $name", ({ name, open }) => {
  test("ends with the states and the counts of a model, over both accounts", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const { routes, store } = await createFirstPromoter(host, { rateLimit: 0 });
    let walks = 0;

    async function walk(groups: Step[][]) {
      const accounts = [`a${++walks}`, `b${walks}`];
      const secrets: string[] = [];
      const campaigns: number[][] = [];
      /** The possible states of each promoter. */
      const promoters = new Map<number, Modelled[]>();
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
          promoters.set(id, [{ account: index, archivedBy: undefined, states: held }]);
        }
      }
      campaigns[0]!.push(campaigns[1]![0]!);
      campaigns[1]!.push(campaigns[0]![0]!);
      const ids = [...promoters.keys(), 9_000_000_000];
      const archives = new Map<number, Done>();

      const call = async (account: number, method: string, path: string, body?: unknown) => {
        const request = new Request(`http://any.example/api/v2/company${path}`, {
          method,
          headers: { authorization: `Bearer ${secrets[account]}`, "account-id": accounts[account]! },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const response = await routes.fetch(request);
        // biome-ignore lint/suspicious/noExplicitAny: any response of a call.
        return { status: response.status, body: (await response.json()) as any };
      };

      /** Runs a step, and compares the response with the outcomes of its items. */
      async function carryOut(given: Step): Promise<Done | undefined> {
        const { account, verb } = given;
        const archive = archives.get(account);
        if (verb === "undo" && !archive) return undefined;
        const changed = archive && [...archive.results].flatMap(([id, result]) => (result === "done" ? id : []));
        const who = verb === "undo" ? changed! : given.who.map((place) => ids[place]!);
        const [from, to] = [campaigns[account]![given.from], campaigns[account]![given.to]];
        const params =
          verb === "move_to_campaign" ? { from_campaign_id: from, to_campaign_id: to } : { campaign_id: from };
        const answer =
          verb === "undo"
            ? await call(account, "POST", `/batch_processes/${archive!.batch}/undo`)
            : await call(account, "POST", `/promoters/${verb}`, { ids: who, ...params });
        if (who.length === 0) {
          expect(answer.status).toBe(409);
          return undefined;
        }
        const { id } = answer.body;
        await host.batches.wait(id, { pollMs: 2 });
        const results = new Map<number, Result>();
        for await (const { item, outcome } of host.batches.everyItem(id))
          results.set(item as number, outcome as Result);
        expect([...results.keys()].sort()).toEqual(who.toSorted());
        const failed = countOutcome(results, "failed");
        const all = { id, total: who.length, selected_total: who.length };
        const end = { ...all, status: "completed", progress: 100 };
        const counted = { ...end, processed_count: who.length - failed, failed_count: failed };
        const accepted = { ...all, status: "pending", progress: 0, processed_count: 0, failed_count: 0 };
        expect(answer).toMatchObject(who.length > 5 ? { status: 202, body: accepted } : { status: 200, body: counted });
        const told = (await call(account, "GET", `/batch_processes/${id}`)).body;
        expect(told).toMatchObject(counted);
        expect(told.processing_errors).toHaveLength(failed);
        return { given, batch: id, undone: verb === "undo" ? archive!.batch : undefined, results };
      }

      for (const group of groups) {
        const done = (await Promise.all(group.map(carryOut))).filter((step) => step !== undefined);
        for (const id of new Set(done.flatMap(({ results }) => [...results.keys()]))) {
          const before = promoters.get(id);
          if (!before) {
            for (const { results } of done) expect([undefined, "failed"]).toContain(results.get(id));
            continue;
          }
          const after = afterwards(before, id, done, campaigns);
          expect({
            group,
            id,
            results: done.map(({ results }) => results.get(id)),
            possible: after.length > 0,
          }).toEqual(expect.objectContaining({ possible: true }));
          promoters.set(id, after);
        }
        for (const step of done) if (step.given.verb === "archive") archives.set(step.given.account, step);
      }

      for (const account of [0, 1]) {
        const own = [...promoters].filter(([, [promoter]]) => promoter!.account === account);
        const shown = new Map<number, string>();
        let waiting = 0;
        let pending: number | undefined;
        for (const archived of [false, true]) {
          const { body } = await call(account, "GET", `/promoters?filters[archived]=${archived}&per_page=100`);
          pending = body.meta.pending_count;
          for (const { id, promoter_campaigns } of body.data) {
            const states: [number, string][] = promoter_campaigns.map(
              ({ campaign_id, state }: { campaign_id: number; state: string }) => [campaign_id, state],
            );
            shown.set(id, JSON.stringify([archived, states.sort()]));
            if (!archived && states.some(([, state]) => state === "pending")) waiting++;
          }
        }
        expect([...shown.keys()].sort()).toEqual(own.map(([id]) => id).sort());
        for (const [id, possible] of own) {
          const texts = possible.map(({ archivedBy, states }) => {
            const archived = archivedBy !== undefined;
            return JSON.stringify([
              archived,
              [...states].map(([at, state]) => [at, archived ? "blocked" : state]).sort(),
            ]);
          });
          expect(texts).toContain(shown.get(id));
        }
        expect(pending).toBe(waiting);
      }
    }

    const property = fc.asyncProperty(fc.array(steps, { minLength: 4, maxLength: 15, size: "max" }), walk);
    await fc.assert(property, { numRuns: name === "SQLite" ? 15 : 6, endOnFailure: true });
  });
});
