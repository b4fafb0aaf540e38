import type { Clock } from "../clock.ts";
import type { Runner } from "../execution/runner.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";
import type { AnyOperation, Target } from "../operation/operation.ts";

/**
 * Who hands chunks to workers and notices dead ones. Promises of every implementation:
 *
 * - A batch that is open in the ledger is worked on until it is closed, also when it was accepted by a process that is
 *   gone or by one that never told us. What the engine itself keeps may be lost, doubled or out of date: the ledger decides.
 * - Several open batches take turns.
 * - A chunk that has to wait, for its pace, a pause or another worker's lease, is handed out when the wait is over.
 * - `stop` hands out nothing more and resolves when the chunks in hand are finished.
 */
export interface Engine {
  /** Hands out chunks from now on. Rejects where it cannot: its tables cannot be made, say. */
  start(): Promise<void>;
  /** A batch was accepted, or an operation was registered: look now. */
  notify(): void;
  stop(): Promise<void>;
}

/** What a host lends an engine. */
export interface EngineParts {
  databaseUrl: string;
  ledger: Ledger;
  /** Takes an error of the engine's own tables, for what the host reports of the database. */
  noteFault(error: unknown): void;
  runner: Runner;
  /** The operations that this process can carry out. */
  operation(name: string, target: Target): AnyOperation | undefined;
  clock: Clock;
  log: Log;
  /** Chunks at once in this process. */
  lanes: number;
}

export type EngineFactory = (parts: EngineParts) => Engine;
