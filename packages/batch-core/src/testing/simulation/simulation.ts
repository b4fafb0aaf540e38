import { type Batch, isFinished } from "../../batch/batch.ts";
import type { ClaimedChunk, Ledger } from "../../ledger/ledger.ts";
import { type AnyOperation, outcomeWords } from "../../operation/operation.ts";
import type { ItemOutcome } from "../../results/items.ts";
import type { Batches } from "../../submission/batches.ts";
import { assemble } from "../assemble.ts";
import type { Disk } from "./disk.ts";
import { type Owner, Scheduler } from "./scheduler.ts";
import { type Kind, kinds, operationName, simulatedOperations, World } from "./world.ts";

const leaseMs = 3000;
const pollMs = 1500;
/** More steps than any seed needs. A run beyond it counts as endless. */
const stepLimit = 12_000;

/** A part broken on purpose, to show that the checks detect it. */
export interface Sabotage {
  ledger?(ledger: Ledger): Partial<Ledger>;
  operations?(operations: AnyOperation[]): AnyOperation[];
}

/** The result of one seed. */
export interface Simulated {
  /** The broken guarantees, one sentence each. */
  complaints: string[];
  steps: number;
  crashes: number;
  freezes: number;
  faults: number;
  unknown: number;
  items: number;
  /** Equal for two runs of one seed. */
  trace: number;
}

interface Process extends Owner {
  batches: Batches;
}

interface Asked {
  kind: Kind;
  items: number[];
  dryRun: boolean;
  key: string;
  id?: number;
}

/** Runs the real core under one seed, from an empty disk to the end of every batch, and checks the result. */
export async function simulate(seed: number, disk: Disk, sabotage: Sabotage = {}): Promise<Simulated> {
  disk.clear();
  const scheduler = new Scheduler(seed);
  const world = new World(scheduler, scheduler.below(12));
  let crashesLeft = scheduler.below(5);
  let faultsLeft = scheduler.below(8);
  const crashRate = 0.001 + scheduler.random() * 0.02;
  const said = { crashes: 0, freezes: 0, faults: 0 };
  /** Chunks that were claimed during a fault, so that a result may have been lost. */
  const disturbed = new Set<string>();
  /** The batch that a process accepted last. Its chunks may be claimed with it, under a running lease. */
  const claimedInline = new Map<Owner, number>();
  const processes = new Set<Process>();
  let born = 0;

  function disturbClaims(owner: Owner): void {
    if (claimedInline.has(owner)) disturbed.add(`${claimedInline.get(owner)} 0 0`);
    for (const { name } of disk.read<{ name: string }>(
      "select batch_id || ' ' || generation || ' ' || seq as name from reinstate_chunks where state in ('claimed', 'interrupted')",
    )) {
      disturbed.add(name);
    }
  }

  scheduler.strike = (owner) => {
    const process = [...processes].find((one) => one === owner);
    if (!process || crashesLeft === 0 || !scheduler.chance(crashRate)) return;
    crashesLeft--;
    disturbClaims(process);
    world.cutOff(process);
    if (scheduler.chance(0.3)) {
      said.freezes++;
      owner.frozenUntil = scheduler.now + scheduler.below(3 * leaseMs);
      return;
    }
    said.crashes++;
    scheduler.kill(process);
    processes.delete(process);
    disk.crash(process);
    disturbClaims(process);
  };

  const broken = () => Object.assign(new Error("the connection to the ledger broke"), { code: "ECONNRESET" });
  function fault(owner: Owner, probability: number): boolean {
    if (faultsLeft === 0 || !scheduler.chance(probability)) return false;
    faultsLeft--;
    said.faults++;
    disturbClaims(owner);
    return true;
  }

  /** A claim that returned after its lease had expired, so another worker may have claimed the chunk as interrupted. */
  function noteLateClaim(answer: unknown, until: number): void {
    const { batchId, generation, seq } = (answer ?? {}) as Partial<ClaimedChunk>;
    if (seq !== undefined && until < scheduler.now) disturbed.add(`${batchId} ${generation} ${seq}`);
  }

  /** Makes calls fail before they have an effect, lose their result afterwards, or take long. */
  function unreliable(ledger: Ledger, owner: Owner): Ledger {
    const clock = scheduler.clock(owner);
    const through =
      (name: string, method: (...args: unknown[]) => Promise<unknown>) =>
      async (...args: unknown[]) => {
        if (fault(owner, 0.01)) throw broken();
        if (fault(owner, 0.01)) await clock.sleep(scheduler.below(2 * leaseMs));
        const answer = await method(...args);
        if (name === "claim") noteLateClaim(answer, args[3] as number);
        if (name === "accept") {
          claimedInline.set(owner, answer as number);
          const { leaseUntil } = args[3] as { leaseUntil?: number };
          noteLateClaim({ batchId: answer as number, generation: 0, seq: 0 }, leaseUntil ?? scheduler.now);
        }
        if (fault(owner, 0.01)) await clock.sleep(scheduler.below(2 * leaseMs));
        if (fault(owner, 0.01)) throw broken();
        return answer;
      };
    return Object.fromEntries(Object.entries(ledger).map(([name, method]) => [name, through(name, method)])) as never;
  }

  async function start(): Promise<void> {
    const owner: Owner = { name: String.fromCharCode(65 + (born++ % 26)), dead: false };
    const clock = scheduler.clock(owner);
    const database = disk.open({
      owner,
      gate: () => scheduler.gate(owner),
      commit() {
        if (fault(owner, 0.01)) throw broken();
      },
    });
    const operations = simulatedOperations(scheduler, world, owner, clock);
    const { batches, start } = await assemble({
      database,
      clock,
      leaseMs,
      pollMs,
      operations: sabotage.operations?.(operations) ?? operations,
      ledger: (real) => unreliable({ ...real, ...sabotage.ledger?.(real) }, owner),
      random: () => scheduler.random(),
      worker: `${owner.name}${born}`,
      concurrency: 1 + scheduler.below(2),
    });
    await start();
    processes.add(Object.assign(owner, { batches }));
  }

  /** Runs the processes until a call of one of them returns. Returns undefined if it failed or its process died. */
  async function ask<Answer>(call: (batches: Batches) => Promise<Answer>): Promise<Answer | undefined> {
    if (processes.size === 0) await start();
    const process = [...processes][scheduler.below(processes.size)] as Process;
    let settled: { answer?: Answer } | undefined;
    call(process.batches).then(
      (answer) => (settled = { answer }),
      () => (settled = {}),
    );
    while (!settled && !process.dead) await step();
    return settled?.answer;
  }

  async function step(): Promise<void> {
    if (processes.size === 0 || (processes.size < 2 && scheduler.chance(0.01))) await start();
    if (!(await scheduler.step())) throw new Endless("nothing is scheduled, and the batch has not ended");
    if (scheduler.steps > stepLimit) throw new Endless(`no end within ${stepLimit} steps`);
  }

  const asked: Asked[] = [];
  let next = 0;
  const count = 1 + scheduler.below(4);
  for (let index = 0; index < count; index++) {
    const kind = kinds[scheduler.below(kinds.length)] as Kind;
    const size = 1 + scheduler.below(scheduler.chance(0.4) ? 3 : 14);
    const items = Array.from({ length: size }, () => next++);
    const dryRun = (kind === "ledger" || kind === "repeatable") && scheduler.chance(0.15);
    asked.push({ kind, items, dryRun, key: `key ${index}` });
  }

  const complaints: string[] = [];
  let unknown = 0;
  try {
    for (const one of asked) {
      const idempotency = { scope: "simulation", key: one.key, digest: one.key };
      const { items, dryRun } = one;
      const stopRule = scheduler.chance(0.2) ? { maxFailureRate: 0.1, after: 4 } : undefined;
      const request = { operation: operationName(one.kind), items, dryRun, idempotency, ...(stopRule && { stopRule }) };
      while (one.id === undefined) {
        const twice = scheduler.chance(0.1);
        const submitted = await ask(async (batches) => {
          const first = batches.submit(request);
          return twice ? Promise.any([batches.submit(request), first]) : first;
        });
        one.id = submitted?.id;
        // Fails while the first request is running, or has no result: repeated a little later.
        if (one.id === undefined) await pass(scheduler.below(2000));
      }
      if (scheduler.chance(0.2)) await ask((batches) => batches.stop(one.id as number));
    }
    for (let wave = 0; wave < 3; wave++) {
      for (const { id } of asked) {
        if (scheduler.chance(0.3)) await ask((batches) => batches.stop(id as number));
        if (scheduler.chance(0.3)) await ask((batches) => batches.retry(id as number));
        if (scheduler.chance(0.3)) await ask((batches) => batches.reexamine(id as number));
        await pass(scheduler.below(3000));
      }
    }
    crashesLeft = faultsLeft = world.troubles = 0;
    for (const one of asked) complaints.push(...(await judge(one)));
    if (world.sentTooLate > 0) complaints.push(`${world.sentTooLate} calls were made after the lease was lost`);
    const { accepted } = disk.read<{ accepted: number }>("select count(*) as accepted from reinstate_batches")[0] ?? {};
    if (accepted !== asked.length) complaints.push(`${asked.length} keys made ${accepted} batches`);
  } catch (error) {
    if (!(error instanceof Endless)) throw error;
    complaints.push(error.message);
  } finally {
    for (const process of processes) scheduler.kill(process);
  }
  return { complaints, steps: scheduler.steps, ...said, unknown, items: next, trace: scheduler.trace };

  async function pass(ms: number): Promise<void> {
    for (const until = scheduler.now + ms; scheduler.now < until; ) await step();
  }

  async function finished(id: number): Promise<Batch> {
    for (;;) {
      const batch = await ask((batches) => batches.get(id));
      if (batch?.status === "stopped") await ask((batches) => batches.resume(id));
      else if (batch && isFinished(batch.status)) return batch;
      else await pass(pollMs);
    }
  }

  async function judge({ id, items, kind, dryRun }: Asked): Promise<string[]> {
    const wrong: string[] = [];
    const batch = await finished(id as number);
    const told = (await ask(async (batches) => {
      const all: ItemOutcome[] = [];
      for await (const item of batches.everyItem(batch.id)) all.push(item);
      return all;
    })) as ItemOutcome[];
    const sum = Object.values(batch.counts).reduce((a, b) => a + b);
    if (sum !== items.length || batch.total !== items.length) wrong.push(`the counts add up to ${sum}`);
    const names = told.map(({ item }) => item as number).sort((a, b) => a - b);
    if (names.join() !== items.join()) wrong.push(`the items ${names} are told of`);
    for (const word of outcomeWords) {
      const n = told.filter(({ outcome }) => outcome === word).length;
      if (n !== batch.counts[word]) wrong.push(`${n} items are ${word}, counted are ${batch.counts[word]}`);
    }
    const effects = countEffects(batch.id, kind);
    for (const { item, outcome, code, generation } of told) {
      const n = effects(item as number);
      const at = `item ${item}, ${outcome} ${code ?? ""}, took effect ${n} times`;
      if (outcome === undefined) wrong.push(`${at}: it has no outcome`);
      if (dryRun && n > 0) wrong.push(`${at} in a dry run`);
      if (kind !== "repeatable" && n > 1) wrong.push(at);
      if (outcome === "done" && n === 0 && !dryRun) wrong.push(at);
      if ((outcome === "skipped" || (outcome === "failed" && code !== "no_result")) && n > 0) wrong.push(at);
      if (outcome !== "unknown") continue;
      unknown++;
      const chunks = disk.read<{ name: string; known: number }>(
        `select batch_id || ' ' || generation || ' ' || seq as name from reinstate_chunks where batch_id = ${batch.id} and generation = ${generation}`,
      );
      const lost = world.disturbed.has(`${batch.id} ${item}`) || chunks.some(({ name }) => disturbed.has(name));
      if (kind === "ledger" || dryRun || !lost) wrong.push(`${at}, though nothing was lost`);
    }
    return wrong.map((complaint) => `${kind} batch ${batch.id}: ${complaint}`);
  }

  function countEffects(id: number, kind: Kind): (item: number) => number {
    if (kind !== "ledger") return (item) => world.effects.get(`${id} ${item}`) ?? 0;
    const rows = disk.read<{ item: number; n: number }>(
      `select item, count(*) as n from effects where batch_id = ${id} group by item`,
    );
    const counted = new Map(rows.map(({ item, n }) => [item, n]));
    return (item) => counted.get(item) ?? 0;
  }
}

class Endless extends Error {}
