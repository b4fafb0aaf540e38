import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import { createInProcessEngine } from "../engine/in-process.ts";
import { createRunner, type Runner } from "../execution/runner.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { createSqlLedger } from "../ledger/sql-ledger.ts";
import { silentLog } from "../log.ts";
import type { AnyOperation } from "../operation/operation.ts";
import { type Batches, createBatches } from "../submission/batches.ts";

export interface Assembly {
  ledger: Ledger;
  runner: Runner;
  batches: Batches;
  /** Starts to run batches in the background. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Assembles the core on one database as a host does, with access to each part. */
export async function assemble(options: {
  database: Database;
  operations: readonly AnyOperation[];
  /** Returns methods that replace the ledger's own. */
  ledger?: ((ledger: Ledger) => Partial<Ledger>) | undefined;
  clock?: Clock;
  random?(): number;
  worker?: string;
  concurrency?: number;
  leaseMs?: number;
  pollMs?: number;
}): Promise<Assembly> {
  const { database, clock = systemClock, random = Math.random, worker = randomUUID(), leaseMs = 15_000 } = options;
  const real = await createSqlLedger(database);
  const ledger: Ledger = { ...real, ...options.ledger?.(real) };
  const registered = new Map(
    options.operations.map((operation) => [`${operation.name} ${operation.target}`, operation]),
  );
  const operation = (name: string, target: string) => registered.get(`${name} ${target}`);
  const common = { ledger, database, operation, clock };
  const runner = createRunner({ ...common, random, log: silentLog, worker, leaseMs });
  const { concurrency = 1, pollMs = 1000 } = options;
  const engine = createInProcessEngine({ ledger, runner, clock, log: silentLog, concurrency, pollMs });
  const batches = createBatches({
    ...common,
    runner,
    checkAccount: async () => {},
    keepKeysMs: 604_800_000,
    notify: engine.notify,
  });
  return { ledger, runner, batches, start: () => engine.start(), stop: () => engine.stop() };
}
