import { request as httpsRequest } from "node:https";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { createCaller, emptyAnswer, toErrorKind, VendorError } from "../client/index.ts";
import type { Host } from "../host.ts";
import { defineOperation, type Operation, type Outcome, type Work } from "../operation/operation.ts";
import { defineReadBackOperation } from "../upstream/index.ts";
import { type UpstreamAddress, type UpstreamUnderTest, upstreamContract } from "./upstream-contract.ts";

const unchangedId = 1;
const unknownId = 2;

/** A vendor that restores whatever it is asked for, and counts how often. */
function createShelf() {
  const changes = new Map<number, number>([[unchangedId, 1]]);
  let made = 10;
  return {
    changes,
    makeItems: async (count: number) => {
      const ids = Array.from({ length: count }, () => made++);
      for (const id of ids) changes.set(id, 0);
      return ids;
    },
    async fetch(request: Request): Promise<Response> {
      const { ids } = (await request.json()) as { ids: number[] };
      const known = ids.filter((id) => changes.has(id));
      if (request.url.endsWith("/look")) {
        return Response.json({ data: known.map((id) => ({ id, restored: changes.get(id) !== 0 })) });
      }
      for (const id of known) changes.set(id, (changes.get(id) ?? 0) + 1);
      return new Response(null, { status: 204 });
    },
  };
}

type Connection = UpstreamAddress & { fetch?: (url: string, init: RequestInit) => Promise<Response> };

function createClient({ url, ...options }: Connection) {
  const call = createCaller({
    ...options,
    baseUrl: url,
    vendor: "Shelf",
    retry: { attempts: 1 },
    readRefusal: (reply) => (reply.status === 200 || reply.status === 204 ? undefined : { kind: toErrorKind(reply) }),
  });
  const states = z.object({ data: z.array(z.object({ id: z.int(), restored: z.boolean() })) });
  return {
    restore: (ids: readonly number[]) => call({ method: "POST", path: "/restore", body: { ids }, answer: emptyAnswer }),
    async look(ids: readonly number[]) {
      const reply = await call({ method: "POST", path: "/look", body: { ids }, answer: states, changes: false });
      const select = (wanted: boolean) => reply.data.filter(({ restored }) => restored === wanted).map(({ id }) => id);
      return { before: new Set(select(false)), after: new Set(select(true)) };
    },
  };
}

type Client = ReturnType<typeof createClient>;
type Ids = Work<number, unknown>;

const name = "shelf.books.restore";
const described = { name, label: "book/restore", item: z.int(), params: z.unknown(), chunkSize: 20 };
const done = (key: number): Outcome => ({ key, outcome: "done" });
const failed = (key: number): Outcome => ({ key, outcome: "failed", code: "failed", message: "It failed" });

function defineSound(host: Host, client: Client): Operation<number, unknown> {
  return defineReadBackOperation<number, unknown, undefined>(host, {
    ...described,
    look: client.look,
    send: client.restore,
    async readBack(ids) {
      const { after } = await client.look(ids);
      return ids.map((id) => (after.has(id) ? done(id) : failed(id)));
    },
  });
}

/** Replaces what the sound operation does with a chunk. */
const replace =
  (change: (client: Client, sound: Operation<number, unknown>) => Partial<Operation<number, unknown>>) =>
  (host: Host, client: Client) => {
    const sound = defineSound(host, client);
    return defineOperation({ ...sound, ...change(client, sound) });
  };

/** The contract of the vendor whose operation is defined in this way, on the databases of these names. */
function makeContract(
  define: typeof defineSound,
  broken: Partial<UpstreamUnderTest<number>> & { fetch?: Connection["fetch"] } = {},
) {
  const shelf = createShelf();
  const { fetch, ...replaced } = broken;
  return upstreamContract<number>({
    vendor: shelf,
    operation: name,
    async connect(host, address) {
      host.register(define(host, createClient({ ...address, ...(fetch && { fetch }) })));
      return {};
    },
    call: (id, address) => createClient({ ...address, ...(fetch && { fetch }) }).restore([id]),
    makeItems: shelf.makeItems,
    others: [unchangedId, unknownId],
    isChanged: async (id) => (shelf.changes.get(id) ?? 0) > 0,
    watchChanges: async () => async () =>
      [...shelf.changes].flatMap(([id, times]) => (times > 1 ? [`book ${id}`] : [])),
    isSend: ({ path }) => path === "/restore",
    databases: ledgerDatabases,
    ...replaced,
  });
}

describe("a vendor that keeps every promise", () => {
  test.each(makeContract(defineSound))("$name", ({ check }) => check());
});

async function trustEverything(url: string, { method = "GET", headers, body }: RequestInit): Promise<Response> {
  if (!url.startsWith("https:")) return fetch(url, { method, body: body as string, headers: headers ?? {} });
  return new Promise((resolve, reject) => {
    const options = { method, rejectUnauthorized: false };
    const request = httpsRequest(url, options, ({ statusCode = 200 }) =>
      resolve(new Response(null, { status: statusCode })),
    );
    request.on("error", reject).end(body);
  });
}

describe("a broken vendor is found", () => {
  const { is } = VendorError;
  const cases: [string, string, RegExp, ReturnType<typeof makeContract>][] = [
    [
      "reports a call as failed whose reply was lost",
      "records the truth after reset before the reply at each call",
      /outcomes differ/,
      makeContract(
        replace((_, sound) => ({
          apply: (work: Ids) =>
            sound.apply(work).catch((error) => (is(error) ? work.items.map(failed) : Promise.reject(error))),
        })),
      ),
    ],
    [
      "believes every reply",
      "records the truth after HTML with 200 before the effect at each call",
      /outcomes differ/,
      makeContract(
        replace(({ restore }) => ({
          async apply({ items }: Ids) {
            await restore(items).catch((error) => (error.kind === "bad_reply" ? undefined : Promise.reject(error)));
            return items.map((id) => (id === unknownId ? failed(id) : done(id)));
          },
        })),
      ),
    ],
    [
      "sends again without a look",
      "records the truth after reset before the reply at four sending calls",
      /changed items twice/,
      makeContract(
        replace((client, sound) => ({
          repeatable: true,
          async apply(work: Ids) {
            const wanted = work.items.filter((id) => id !== unchangedId && id !== unknownId);
            await client.restore(wanted);
            return sound.preview?.(work) ?? [];
          },
        })),
      ),
    ],
    [
      "reports items as done that needed no change",
      "records the truth after 429 with Retry-After at each call",
      /was not to be changed/,
      makeContract(
        replace((_, sound) => ({
          apply: async (work: Ids) =>
            (await sound.apply(work)).map((outcome) =>
              outcome.outcome === "skipped" ? done(Number(outcome.key)) : outcome,
            ),
        })),
      ),
    ],
    [
      "leaves open what a killed worker did",
      "takes over after a kill after the effect, on SQLite",
      /lost or left unknown/,
      makeContract((host, client) => {
        const { reconcile: _, ...sound } = defineSound(host, client);
        return sound;
      }),
    ],
    [
      "takes every failure of its client for one without effect",
      "has a client that reports no more than it knows after 500 after the effect, 1 times",
      /client reports/,
      makeContract(defineSound, {
        call: (id, address) =>
          createClient(address)
            .restore([id])
            .catch((error) => Promise.reject(new VendorError("unavailable", String(error)))),
      }),
    ],
    [
      "trusts every certificate",
      "sends nothing to a server whose certificate has expired",
      /requests of the operation/,
      makeContract(defineSound, { fetch: trustEverything }),
    ],
    [
      "fails a whole batch",
      "records the truth after 429 with Retry-After at four sending calls",
      /completed/,
      makeContract(
        replace(() => ({
          apply: () => Promise.reject(new Error("no")),
        })),
      ),
    ],
  ];

  test.each(cases)("that %s", async (_, promise, message, contract) => {
    const check = contract.find(({ name }) => name === promise)?.check;
    await expect(check?.()).rejects.toThrow(message);
  });
});
