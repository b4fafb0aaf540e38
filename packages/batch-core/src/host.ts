import { randomUUID } from "node:crypto";
import { type Admission, createAdmission } from "./admission/admission.ts";
import type { AdmissionLimits } from "./admission/limits.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Database } from "./database/database.ts";
import { openDatabase } from "./database/open-database.ts";
import { checkPooler } from "./database/pooler.ts";
import type { Engine, EngineFactory, EngineParts } from "./engine/engine.ts";
import { createInProcessEngine } from "./engine/in-process.ts";
import { ReinstateError } from "./errors/errors.ts";
import { createRunner } from "./execution/runner.ts";
import { createKeys, type Keys } from "./keys/keys.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { type LedgerMeasure, measureLedger } from "./ledger/measure.ts";
import { startPruning } from "./ledger/prune-regularly.ts";
import { createSqlLedger } from "./ledger/sql-ledger.ts";
import { readUsage } from "./ledger/usage.ts";
import { type Log, silentLog } from "./log.ts";
import type { Observer } from "./observer.ts";
import type { AnyOperation, Target } from "./operation/operation.ts";
import { createAccountCheck, type VendorAccounts } from "./submission/account-check.ts";
import { type Batches, createBatches } from "./submission/batches.ts";
import { type LimitState, listLimitStates } from "./submission/limit-states.ts";
import type { Tracer } from "./trace.ts";

/** The core as a vendor package uses it: database, ledger, batches, keys and admission. */
export interface Host {
  readonly database: Database;
  readonly clock: Clock;
  readonly keys: Keys;
  /** Admits the calls of its HTTP routes within their limits. */
  readonly admission: Admission;
  readonly batches: Batches;
  readonly log: Log;
  /** Registers operations. Their unfinished batches of earlier processes continue. */
  register(...operations: AnyOperation[]): void;
  /**
   * Declares whether a vendor has accounts. Every new batch of its operations is checked by it from then on.
   * @example
   * host.declareAccounts({ vendor: "firstpromoter", label: "FirstPromoter", hasAccount: (account) => store.hasAccount(account) });
   */
  declareAccounts(accounts: VendorAccounts): void;
  /** Returns what the limits of each operation leave now, over all processes. An operation without limits is listed too. */
  systems(): Promise<LimitState[]>;
  /** Measures the ledger, over all processes that use it. */
  measure(): Promise<LedgerMeasure>;
  /** The registered operations by name. */
  operations(): AnyOperation[];
  /**
   * Starts to run one batch in this process, and no other batch, whatever the role of the host is. `stop` finishes the chunks in
   * progress. The host must not be closed before.
   */
  runBatch(id: number): Promise<{ stop(): Promise<void> }>;
  /** Stops dispatching chunks, finishes those in progress, and closes the database. */
  close(): Promise<void>;
}

/** Options of a host. */
export interface HostOptions {
  /** `sqlite:PATH`, `sqlite::memory:` or `postgres://…` */
  databaseUrl: string;
  log?: Log;
  clock?: Clock;
  random?: () => number;
  /** `web` accepts batches and runs none in the background; `worker` and `all` do. Default `all`. */
  role?: "all" | "web" | "worker";
  /** The engine that dispatches chunks. Default: in this process. */
  engine?: EngineFactory;
  /** Maximum number of concurrent chunks. Default 1 on SQLite, which has one writer, and 4 on PostgreSQL. */
  concurrency?: number;
  /** Duration of a lease in milliseconds, after which the chunk of a dead process is claimed again. Default 15 seconds. */
  leaseMs?: number;
  /** Time-out of a statement on PostgreSQL in milliseconds. Default 30 seconds. */
  answerMs?: number;
  /** Retention of batches after their end in days. Default: unlimited. */
  keepBatchesDays?: number;
  /** Retention of idempotency keys in milliseconds. Default 7 days. */
  keepKeysMs?: number;
  /** Limits of HTTP routes that differ from the defaults. */
  admission?: Partial<AdmissionLimits>;
  /** Receives what this process has done, for metrics. */
  observer?: Observer;
  /** Receives a span of every chunk. `createOpenTelemetryTracer` of `@reinstate/batch-core/opentelemetry` creates one. */
  tracer?: Tracer;
}

function declaredTwice({ name, target }: AnyOperation): ReinstateError {
  const [vendor] = name.split(".");
  const message = `vendor ${vendor}: operations: ${name} is declared twice for the target ${target}`;
  return new ReinstateError("bad_setting", message);
}

/** Opens the database, migrates the ledger's tables and starts the engine. */
export async function createHost(options: HostOptions): Promise<Host> {
  const {
    clock = systemClock,
    log = silentLog,
    random = Math.random,
    leaseMs = 15_000,
    keepKeysMs = 604_800_000,
    answerMs = 30_000,
  } = options;
  const database = openDatabase(options.databaseUrl, { answerMs });
  const ledger = await openLedger(options, database);
  const worker = randomUUID();
  const registered = new Map<string, AnyOperation>();
  const toOperationKey = (name: string, target: Target) => `${name} ${target}`;
  const operation = (name: string, target: Target) => registered.get(toOperationKey(name, target));
  const listOperations = () => [...registered.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const runner = createRunner({
    ledger,
    database,
    operation,
    clock,
    random,
    log,
    worker,
    leaseMs,
    observer: options.observer,
    tracer: options.tracer,
  });
  const concurrency = options.concurrency ?? (database.dialect === "sqlite" ? 1 : 4);
  const engine = await startEngine(options, { database, ledger, runner, operation, clock, log, concurrency });
  const pruning = schedulePruning(options, { ledger, clock, log });
  const keys = createKeys(database, clock);
  const accounts = createAccountCheck(keys);
  return {
    database,
    clock,
    log,
    keys,
    admission: createAdmission({ limits: options.admission, keys, clock, log }),
    batches: createBatches({
      ledger,
      database,
      runner,
      operation,
      clock,
      keepKeysMs,
      checkAccount: accounts.check,
      notify: engine.notify,
      observer: options.observer,
    }),
    register(...operations) {
      for (const operation of operations) {
        const name = toOperationKey(operation.name, operation.target);
        if (registered.has(name)) throw declaredTwice(operation);
        registered.set(name, operation);
      }
      engine.notify();
    },
    declareAccounts: accounts.declare,
    async systems() {
      const now = clock.now();
      const usage = await readUsage(database, now);
      return listOperations().flatMap((operation) => listLimitStates(operation, usage, now));
    },
    measure: () => measureLedger(database, clock.now()),
    async runBatch(id) {
      const only = { open: async () => (await ledger.open()).filter((open) => open === id) };
      const single = createInProcessEngine({ ledger: only, runner, clock, log, concurrency });
      await single.start();
      return single;
    },
    operations: listOperations,
    async close() {
      await pruning?.stop();
      await engine.stop();
      await database.close();
    },
  };
}

/** Creates the ledger's tables. Closes the database if that fails. */
async function openLedger({ databaseUrl }: HostOptions, database: Database): Promise<Ledger> {
  try {
    if (database.dialect === "postgres") await checkPooler(databaseUrl);
    return await createSqlLedger(database);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Creates the engine, and starts it unless the role is `web`. Closes the database if that fails. */
async function startEngine(
  { databaseUrl, engine: createEngine = createInProcessEngine, role }: HostOptions,
  { database, ...parts }: Omit<EngineParts, "databaseUrl" | "noteFault"> & { database: Database },
): Promise<Engine> {
  try {
    const engine = createEngine({ ...parts, databaseUrl, noteFault: database.storage.note });
    if (role !== "web") await engine.start();
    return engine;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Starts to delete old batches if they are not kept forever. A process with the role `web` leaves it to the workers. */
function schedulePruning(
  { keepBatchesDays, role }: HostOptions,
  parts: Omit<Parameters<typeof startPruning>[0], "keepMs">,
): ReturnType<typeof startPruning> | undefined {
  if (keepBatchesDays === undefined || role === "web") return undefined;
  return startPruning({ ...parts, keepMs: keepBatchesDays * 86_400_000 });
}
