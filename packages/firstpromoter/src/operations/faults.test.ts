import { upstreamContract, watchChanges } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { afterAll, describe, test } from "vitest";
import { createFirstPromoterClient } from "../client.ts";
import { start } from "../fixtures/server.ts";
import { createFirstPromoter } from "../index.ts";
import { makePromoter } from "../testing.ts";

const credentials = { apiKey: "demo-firstpromoter-key", accountId: "acc_demo" };
const baseUrl = (url: string) => `${url}/api/v2/company`;

// Our own server stands in for the vendor.
const vendor = await start("sqlite::memory:", { rateLimit: 0 });
afterAll(() => vendor[Symbol.asyncDispose]());

const contract = upstreamContract<number>({
  vendor: { fetch: (request) => vendor.instance.routes.fetch(request) },
  operation: "firstpromoter.promoters.restore",
  account: credentials.accountId,
  connect: (host, { url, timeoutMs }) =>
    createFirstPromoter(host, { upstream: { ...credentials, timeoutMs, baseUrl: baseUrl(url) } }),
  call: (id, { url, timeoutMs }) =>
    createFirstPromoterClient({
      ...credentials,
      timeoutMs,
      baseUrl: baseUrl(url),
      retry: { sleep: async () => {} },
    }).promoters.restore([id]),
  makeItems: (count) =>
    vendor.instance.store.create(
      "acc_demo",
      Array.from({ length: count }, () => makePromoter({ archived_at: 1 })),
      1,
    ),
  // One promoter is live, the other does not exist.
  others: [950, 5_000_000],
  async isChanged(id) {
    const query = { ids: [id], archived: false, sorting: [], limit: 10, offset: 0 };
    return (await vendor.instance.store.list("acc_demo", query)).length === 1;
  },
  watchChanges: () => watchChanges(vendor.host),
  isSend: ({ method }) => method === "POST",
  databases: ledgerDatabases,
  sequences: Number(process.env.FAULTS ?? 5),
});

describe("FirstPromoter as upstream", () => {
  test.each(contract)("$name", ({ check }) => check());
});
