import { createAltcraft } from "@reinstate/altcraft";
import { makeSubscription } from "@reinstate/altcraft/testing";
import { createHost, defineOperation, type Host, systemClock } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { makePromoter } from "@reinstate/firstpromoter/testing";
import { createVicidial } from "@reinstate/vicidial";
import { makeLead } from "@reinstate/vicidial/testing";
import { sql } from "kysely";
import * as z from "zod";
import { createSessions } from "../dashboard/sessions.ts";

// A batch of every package with tables, which an older version of the package began and a newer one finishes.

const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
const chunkSize = 5;
/** The chunks that were finished when the older version was interrupted. */
export const finishedChunks = 2;
export const adminSecret = "secret-of-an-older-version";

/** Subscriptions of one profile. */
const subscriptions = numbers.map(
  (n) => ({ db_id: 1, resource_id: 26, profile_id: "p1", channel: "email", email: `p${n}@example.com` }) as const,
);

/** The tables and the batch of one package. */
interface Sample {
  /** Creates the tables and registers the operation. `applied` takes the items of each chunk that runs. */
  open(host: Host, applied: number[]): Promise<{ fill?(): Promise<unknown>; close?(): Promise<void> }>;
  batch: { operation: string; items: readonly unknown[]; account?: string; params?: object };
  /** Counts the records that the batch has restored. Absent if its effects are not in the database. */
  restored?: ReturnType<typeof sql<{ count: number | string }>>;
}

/** An operation without records, so that its package is tested alone. Its chunks are claimed. */
const makeOperation = (applied: number[]) =>
  defineOperation<number, object>({
    name: "sample.records.restore",
    label: "record/restore",
    item: z.int(),
    params: z.strictObject({}),
    key: (id) => id,
    chunkSize,
    effects: "elsewhere",
    async apply({ items }) {
      applied.push(...items);
      return items.map((key) => ({ key, outcome: "done" }));
    },
  });

/** The packages that keep tables in the host's database, by name. */
export const samples: Readonly<Record<string, Sample>> = {
  "batch-core": {
    async open(host, applied) {
      host.register(makeOperation(applied));
      return { fill: () => host.keys.create({ vendor: "admin", name: "kept", secret: adminSecret }) };
    },
    batch: { operation: "sample.records.restore", items: numbers },
  },
  gateway: {
    async open(host, applied) {
      host.register(makeOperation(applied));
      await createSessions(host);
      return {};
    },
    batch: { operation: "sample.records.restore", items: numbers },
  },
  firstpromoter: {
    async open(host) {
      const { store, closing } = await createFirstPromoter(host);
      const promoters = numbers.map((id) => makePromoter({ id, archived_at: 1 }));
      return { fill: () => store.load("acc", promoters, [], 1), close: closing };
    },
    batch: { operation: "firstpromoter.promoters.restore", items: numbers, account: "acc" },
    restored: sql`select count(*) as count from firstpromoter_promoters where archived_at is null`,
  },
  altcraft: {
    async open(host) {
      const { store } = await createAltcraft(host);
      const deleted = subscriptions.map((identity) => makeSubscription(identity, { is_delete: true }));
      return { fill: () => store.addSubscriptions(deleted) };
    },
    batch: { operation: "altcraft.subscriptions.undelete", items: subscriptions },
    restored: sql`select count(*) as count from altcraft_subscriptions where is_delete = 0`,
  },
  vicidial: {
    async open(host) {
      const { close } = await createVicidial(host);
      const leads = numbers.map((id) => makeLead(id));
      const archive = host.database.tables<{ vicidial_demo_list_archive: (typeof leads)[number] }>();
      return { fill: () => archive.insertInto("vicidial_demo_list_archive").values(leads).execute(), close };
    },
    batch: {
      operation: "vicidial.leads.dearchive",
      items: numbers,
      params: { insert_leads: true, delete_leads: true },
    },
    restored: sql`select count(*) as count from vicidial_demo_list`,
  },
};

/** One package over its tables. */
export interface OpenSample extends AsyncDisposable {
  host: Host;
  /** The items of each chunk that ran here. */
  applied: number[];
  /** Counts the restored records. */
  countRestored(): Promise<number | undefined>;
  /** Fills the tables and creates the batch. Returns its id. */
  begin(): Promise<number>;
}

/** Opens the tables of a package. `beforeResult` is awaited after each chunk was applied, before its result is stored. */
export async function openSample(
  name: string,
  databaseUrl: string,
  { role, beforeResult }: { role: "web" | "all"; beforeResult?: (chunk: number) => Promise<void> },
): Promise<OpenSample> {
  const sample = samples[name];
  if (!sample) throw new Error(`${name} has no sample; the samples are ${Object.keys(samples).join(", ")}`);
  const applied: number[] = [];
  const host = await createHost({ databaseUrl, role, clock: systemClock, concurrency: 1 });
  let chunks = 0;
  const register: Host["register"] = (...operations) =>
    host.register(
      ...operations.map((operation) => ({
        ...operation,
        chunkSize,
        inlineLimit: 0,
        async apply(work: Parameters<typeof operation.apply>[0]) {
          const outcomes = await operation.apply(work);
          await beforeResult?.(++chunks);
          return outcomes;
        },
      })),
    );
  const { fill, close } = await sample.open({ ...host, register }, applied);
  return {
    host,
    applied,
    async countRestored() {
      if (!sample.restored) return undefined;
      const { rows } = await sample.restored.execute(host.database.tables());
      return Number(rows[0]?.count);
    },
    async begin() {
      await fill?.();
      return (await host.batches.submit({ target: "local", account: "", params: {}, ...sample.batch })).id;
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await close?.();
    },
  };
}
