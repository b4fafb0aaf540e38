import { ledgerDatabases, postgresDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { engineContract } from "../testing/engine-contract.ts";
import type { EngineFactory, EngineParts } from "./engine.ts";
import { createInProcessEngine } from "./in-process.ts";
import { createPgBossEngine } from "./pg-boss.ts";

const engines: { name: string; engine: EngineFactory; open: (typeof ledgerDatabases)[number]["open"] }[] = [
  ...ledgerDatabases.map(({ name, open }) => ({ name: `in-process on ${name}`, engine: createInProcessEngine, open })),
  { name: "pg-boss", engine: createPgBossEngine, open: postgresDatabase },
];

describe.each(engines)("engine $name", ({ engine, open }) => {
  test.concurrent.each(Object.entries(engineContract))("%s", async (_, prove) => {
    await using database = await open();
    await prove({ databaseUrl: database.url, engine });
  });
});

const inProcess = (change: (parts: EngineParts) => Partial<EngineParts>): EngineFactory => {
  return (parts) => createInProcessEngine({ ...parts, ...change(parts) });
};

// Each of these engines breaks one guarantee, and the contract test of that name must fail.
const broken: [string, EngineFactory, string][] = [
  [
    "does nothing",
    (parts) => ({ ...createInProcessEngine(parts), start: async () => {} }),
    "runs every chunk of a batch once",
  ],
  [
    "works only after a notification",
    (parts) => {
      let notified = 0;
      const open = async () => (notified-- > 0 ? parts.ledger.open() : []);
      const engine = createInProcessEngine({ ...parts, ledger: { ...parts.ledger, open } });
      const notify = () => {
        notified = 1;
        engine.notify();
      };
      return { ...engine, notify };
    },
    "finds a batch that was accepted without a notification",
  ],
  [
    "ignores older batches",
    inProcess(({ ledger }) => {
      const before = ledger.open();
      const open = async () => {
        const old = await before;
        return (await ledger.open()).filter((id) => !old.includes(id));
      };
      return { ledger: { ...ledger, open } };
    }),
    "runs a batch whose accepting process is gone",
  ],
  [
    "works off the oldest batch first",
    inProcess(({ ledger }) => ({ ledger: { ...ledger, open: async () => (await ledger.open()).slice(0, 1) } })),
    "runs several batches in turns",
  ],
  [
    "works on a batch only once",
    inProcess(({ ledger, runner }) => {
      const over = new Set<number>();
      return {
        ledger: { ...ledger, open: async () => (await ledger.open()).filter((id) => !over.has(id)) },
        runner: {
          ...runner,
          async runNext(id) {
            const result = await runner.runNext(id);
            if (result === "idle") over.add(id);
            return result;
          },
        },
      };
    }),
    "runs a batch retried by another process",
  ],
  [
    "abandons chunks in progress",
    (parts) => ({ ...createInProcessEngine(parts), stop: async () => {} }),
    "stops after the chunks in progress",
  ],
  [
    "continues after the stop",
    (parts) => {
      const engine = createInProcessEngine(parts);
      const stop = async () => {
        while ((await parts.ledger.open()).length > 0) await parts.clock.sleep(10);
        await engine.stop();
      };
      return { ...engine, stop };
    },
    "stops after the chunks in progress",
  ],
  [
    "exceeds its concurrency",
    inProcess(({ concurrency }) => ({ concurrency: concurrency * 3 })),
    "runs as many chunks at once as configured",
  ],
  [
    "never returns to a waiting batch",
    inProcess(({ ledger, runner }) => {
      const waiting = new Set<number>();
      return {
        ledger: { ...ledger, open: async () => (await ledger.open()).filter((id) => !waiting.has(id)) },
        runner: {
          ...runner,
          async runNext(id) {
            const result = await runner.runNext(id);
            if (typeof result === "object") waiting.add(id);
            return result;
          },
        },
      };
    }),
    "delays a deferred chunk without counting an attempt",
  ],
  [
    "ignores batches without waiting chunks",
    inProcess(({ ledger, clock }) => {
      const open = async () => (await ledger.ready(1, clock.now())).filter(({ chunks }) => chunks > 0);
      return { ledger: { ...ledger, open: async () => (await open()).map(({ id }) => id) } };
    }),
    "closes a batch whose last worker died",
  ],
  [
    "gives up if the ledger fails",
    (parts) => {
      let dead = false;
      const open = async () => {
        if (dead) return [];
        return parts.ledger.open().catch((error: unknown) => {
          dead = true;
          throw error;
        });
      };
      return createInProcessEngine({ ...parts, ledger: { ...parts.ledger, open } });
    },
    "continues after an outage of the ledger",
  ],
];

test.concurrent.each(broken)("contract catches an engine that %s", async (_, engine, sentence) => {
  const prove = engineContract[sentence];
  expect(prove).toBeDefined();
  await using database = sqliteDatabase();
  await expect(prove?.({ databaseUrl: database.url, engine, patienceMs: 4000 })).rejects.toThrow();
});
