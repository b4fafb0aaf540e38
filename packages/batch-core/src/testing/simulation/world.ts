import { sql } from "kysely";
import * as z from "zod";
import { VendorError } from "../../client/vendor-error.ts";
import type { Clock } from "../../clock.ts";
import { DeferUntil } from "../../errors/errors.ts";
import { type AnyOperation, defineOperation, type Outcome, type Work } from "../../operation/operation.ts";
import type { Owner, Scheduler } from "./scheduler.ts";

/** How an operation of the simulation has its effects. */
export const kinds = ["ledger", "repeatable", "reconciled", "blind"] as const;
export type Kind = (typeof kinds)[number];

export const operationName = (kind: Kind) => `simulated.${kind}.restore`;

const chunkSize = 4;

interface InFlight {
  owner: Owner;
  effect(): void;
  dropped: boolean;
}

/** What stands outside of the database: a vendor that is slow, refuses, breaks off, and loses and repeats answers. */
export class World {
  /** `batch item` → how often it took effect. */
  readonly effects = new Map<string, number>();
  /** `batch item` of every call whose answer did not come, or came incomplete. */
  readonly disturbed = new Set<string>();
  /** Calls that were made after the lease was known to be lost. */
  sentTooLate = 0;
  /** How many calls may yet go wrong. */
  troubles: number;
  readonly #scheduler: Scheduler;
  #inFlight = new Set<InFlight>();

  constructor(scheduler: Scheduler, troubles: number) {
    this.#scheduler = scheduler;
    this.troubles = troubles;
  }

  /** What a process that dies or is held up had sent has arrived by now, or never will. */
  cutOff(owner: Owner): void {
    for (const call of this.#inFlight) {
      if (call.owner !== owner) continue;
      this.#inFlight.delete(call);
      if (this.#scheduler.chance(0.5)) call.effect();
      else call.dropped = true;
    }
  }

  #trouble(): number {
    if (this.troubles <= 0 || !this.#scheduler.chance(0.35)) return -1;
    this.troubles--;
    return this.#scheduler.below(9);
  }

  /** One request about some items of a batch. `effect` is carried out on the way, at most once. */
  async call(
    owner: Owner,
    clock: Clock,
    { batchId, items, signal }: Work<number, unknown>,
    effect: (item: number) => Outcome,
  ): Promise<Outcome[]> {
    if (signal.aborted) this.sentTooLate++;
    const names = items.map((item) => `${batchId} ${item}`);
    const trouble = this.#trouble();
    if (trouble === 0)
      throw new VendorError("rate_limited", "too many", { status: 429, retryAfterMs: this.#scheduler.below(4000) });
    if (trouble === 1) throw new VendorError("unavailable", "down", { status: 503 });
    if (trouble === 2) throw new DeferUntil(clock.now() + this.#scheduler.below(5000));
    const lose = (): never => {
      for (const name of names) this.disturbed.add(name);
      if (trouble % 2) throw Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
      throw new VendorError("unknown_outcome", "no answer");
    };
    let answers: Outcome[] = [];
    const some = trouble === 4 ? items.slice(0, this.#scheduler.below(items.length + 1)) : items;
    const call: InFlight = {
      owner,
      dropped: false,
      effect() {
        answers = some.map(effect);
      },
    };
    this.#inFlight.add(call);
    // Now and then longer than a lease, so that it has to be renewed on the way.
    await clock.sleep(this.#scheduler.below(trouble === 8 ? 12_000 : 300), signal);
    if (signal.aborted || call.dropped || trouble === 3) {
      this.#inFlight.delete(call);
      lose();
    }
    if (this.#inFlight.delete(call)) call.effect();
    await clock.sleep(this.#scheduler.below(300), signal);
    if (signal.aborted || trouble === 4 || trouble === 5) lose();
    if (trouble === 6) {
      this.disturbed.add(names[0] as string);
      return answers.slice(1);
    }
    if (trouble === 7) {
      for (const name of names) this.disturbed.add(name);
      return [...answers, answers[0] as Outcome];
    }
    return answers;
  }
}

/** The operations of one process. What an item comes to depends on it alone, so that the simulation can be judged. */
export function simulatedOperations(scheduler: Scheduler, world: World, owner: Owner, clock: Clock): AnyOperation[] {
  const common = {
    label: "item/restore",
    item: z.int().min(0),
    params: z.strictObject({}),
    key: (item: number) => item,
    chunkSize,
    inlineLimit: 3,
  };
  const result = (item: number, { generation }: Work<number, unknown>): Outcome => {
    if (item % 11 === 5) return { key: item, outcome: "skipped", code: "live" };
    if (item % 7 === 3 && generation === 0) return { key: item, outcome: "failed", code: "unlucky", message: "no" };
    return { key: item, outcome: "done" };
  };
  const send = (work: Work<number, unknown>) =>
    world.call(owner, clock, work, (item) => {
      const outcome = result(item, work);
      const name = `${work.batchId} ${item}`;
      if (outcome.outcome === "done") world.effects.set(name, (world.effects.get(name) ?? 0) + 1);
      return outcome;
    });
  const elsewhere = { ...common, effects: "elsewhere" as const, apply: send };
  return [
    defineOperation({
      ...common,
      name: operationName("ledger"),
      groupCommit: true,
      async apply(work) {
        const outcomes = work.items.map((item) => result(item, work));
        for (const { key, outcome } of outcomes) {
          if (outcome !== "done") continue;
          await sql`insert into effects (batch_id, item) values (${work.batchId}, ${key})`.execute(work.transaction);
        }
        if (world.troubles > 0 && scheduler.chance(0.1)) {
          world.troubles--;
          if (scheduler.chance(0.3)) throw new Error("a fault of the program");
          throw Object.assign(new Error("deadlock"), { code: "40P01" });
        }
        return outcomes;
      },
    }),
    defineOperation({
      ...elsewhere,
      name: operationName("repeatable"),
      repeatable: true,
      preview: async (work) => work.items.map((item) => result(item, work)),
    }),
    defineOperation({
      ...elsewhere,
      name: operationName("reconciled"),
      repeatable: false,
      reconcile: (work) =>
        world.call(owner, clock, work, (item) =>
          world.effects.has(`${work.batchId} ${item}`)
            ? { key: item, outcome: "done" }
            : { key: item, outcome: "failed", code: "not_done", message: "it never arrived" },
        ),
    }),
    defineOperation({ ...elsewhere, name: operationName("blind"), repeatable: false }),
  ];
}
