import { sql } from "kysely";
import * as z from "zod";
import { VendorError } from "../../client/vendor-error.ts";
import type { Clock } from "../../clock.ts";
import { DeferUntil } from "../../errors/errors.ts";
import { type AnyOperation, defineOperation, type Outcome, type Work } from "../../operation/operation.ts";
import type { Owner, Scheduler } from "./scheduler.ts";

/** The kind of effects of a simulated operation. */
export const kinds = ["ledger", "repeatable", "reconciled", "blind"] as const;
export type Kind = (typeof kinds)[number];

export const operationName = (kind: Kind) => `simulated.${kind}.restore`;

const chunkSize = 4;

interface InFlight {
  owner: Owner;
  effect(): void;
  dropped: boolean;
}

/** The world outside of the database: a vendor that is slow, rejects, disconnects, and loses and repeats replies. */
export class World {
  /** Number of effects by `batch item`. */
  readonly effects = new Map<string, number>();
  /** `batch item` of every call without a complete reply. */
  readonly disturbed = new Set<string>();
  /** Calls that were made after the lease was known to be lost. */
  sentTooLate = 0;
  /** Number of calls that may still fail. */
  troubles: number;
  readonly #scheduler: Scheduler;
  #inFlight = new Set<InFlight>();

  constructor(scheduler: Scheduler, troubles: number) {
    this.#scheduler = scheduler;
    this.troubles = troubles;
  }

  /** Delivers or drops the pending requests of a process that dies or is suspended. */
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

  /** Sends one request for items of a batch. `effect` runs at most once on the way. */
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
    // Sometimes longer than a lease, so that it has to be renewed meanwhile.
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

/** Returns the operations of one process. The outcome of an item depends only on the item, so that it can be checked. */
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
