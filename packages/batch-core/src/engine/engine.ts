import type { Clock } from "../clock.ts";
import type { Runner } from "../execution/runner.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";
import type { AnyOperation, Target } from "../operation/operation.ts";

/**
 * Dispatches chunks to workers. Guarantees of every implementation:
 *
 * - An open batch is worked on until it is closed, even if the process that accepted it is gone or sent no notification. The engine's
 *   own state may be lost, duplicated or outdated, because the ledger decides.
 * - Open batches take turns.
 * - A chunk that waits for a rate limit, a pause or the lease of another worker is dispatched after the wait.
 * - `stop` dispatches nothing more and resolves when the chunks in progress are finished.
 */
export interface Engine {
  /** Starts to dispatch chunks. Rejects if it cannot, for example if its tables cannot be created. */
  start(): Promise<void>;
  /** Reports that a batch was accepted or an operation was registered, so the engine checks the ledger at once. */
  notify(): void;
  stop(): Promise<void>;
}

/** The dependencies that a host passes to an engine. */
export interface EngineParts {
  databaseUrl: string;
  ledger: Ledger;
  /** Records an error of the engine's own tables, for the host's report on the database. */
  noteFault(error: unknown): void;
  runner: Runner;
  /** Returns a registered operation; undefined if this process cannot run it. */
  operation(name: string, target: Target): AnyOperation | undefined;
  clock: Clock;
  log: Log;
  /** Maximum number of concurrent chunks in this process. */
  concurrency: number;
}

/** Creates the engine of a host. */
export type EngineFactory = (parts: EngineParts) => Engine;
