import { upstreamContract, watchChanges } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { afterAll, describe, test } from "vitest";
import { createAltcraftClient } from "../client.ts";
import { demo, start } from "../fixtures/server.ts";
import { createAltcraft } from "../index.ts";

const { token, place } = demo;
const toOptions = ({ url, timeoutMs }: { url: string; timeoutMs: number }) => ({
  token,
  timeoutMs,
  baseUrl: `${url}/api/v1.1`,
  retry: { attempts: 2, sleep: async () => {} },
});
const person = (name: string, profile_id: string) =>
  ({ ...place, profile_id, channel: "email", email: `${name}@example.com` }) as const;
type Person = ReturnType<typeof person>;

// The vendor, played by our own server.
const vendor = await start();
afterAll(() => vendor[Symbol.asyncDispose]());

let next = 0;

const contractWith = (params: object, sequences: number) =>
  upstreamContract<Person>({
    vendor: { fetch: (request) => vendor.fetch(request) },
    operation: "altcraft.subscriptions.undelete",
    params,
    connect: (host, address) => createAltcraft(host, { upstreamPerSecond: 10_000, upstream: toOptions(address) }),
    call: (item, address) => createAltcraftClient(toOptions(address)).subscriptions.undelete(item),
    async makeItems(count) {
      const profile = `profile-${next++}`;
      const items = Array.from({ length: count }, (_, n) => person(`p${n}`, profile));
      await vendor.server.load(items.map((item) => ({ ...item, is_delete: true })));
      return items;
    },
    others: [person("other", place.profile_id)],
    async isChanged({ db_id, profile_id, email }) {
      const live = await vendor.server.store.listProfile({ db_id, profile_id }, { deleted: false });
      return live.some((subscription) => JSON.stringify(subscription).includes(`"${email}"`));
    },
    watchChanges: () => watchChanges(vendor.host),
    isSend: ({ path }) => path.includes("/subscriptions/undelete"),
    databases: ledgerDatabases,
    sequences,
  });

describe("Altcraft as upstream", () => {
  test.each(contractWith({}, Number(process.env.FAULTS ?? 5)))("$name", ({ check }) => check());
});

describe("Altcraft as upstream with the consent guard", () => {
  const contract = contractWith({ consent_guard: true, reason: "asked" }, 0);
  test.each(contract.filter(({ name }) => name.endsWith("at each call")))("$name", ({ check }) => check());
});
