import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  expiredCertificate,
  startFaultProxy,
  startVendor,
  type UpstreamAddress,
  upstreamContract,
  watchChanges,
} from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { afterAll, describe, expect, test } from "vitest";
import { createVicidialClient } from "../client.ts";
import { makeLead } from "../leads/make-lead.ts";
import { demoArchive, demoLive } from "../store/demo-store.ts";
import { vicidial } from "../vendor.ts";
import { createUpstreamOperations } from "./upstream.ts";
import { createUpstreamClient } from "./upstream-client.ts";

const apiKey = "demo-vicidial-key";
const both = { insert_leads: true, delete_leads: true };
const tables = { dearchive: [demoArchive, demoLive], archive: [demoLive, demoArchive] } as const;

// The vendor, played by our own server.
const vendor = await startVendor(vicidial);
const { database } = vendor.host;
afterAll(() => vendor[Symbol.asyncDispose]());

// The vendor keeps it where it is, because its copies differ.
const keptLead = 9_000;
await database.transaction(async (db) => {
  await db.insertInto(demoArchive).values(makeLead(keptLead)).execute();
  await db
    .insertInto(demoLive)
    .values(makeLead(keptLead, { status: "SALE" }))
    .execute();
});

let next = 10_000;

async function hasLead(table: string, id: number): Promise<boolean> {
  const { rows } = await sql`select lead_id from ${sql.table(table)} where lead_id = ${id}`.execute(database.tables());
  return rows.length > 0;
}

const makeContract = (verb: keyof typeof tables, params: typeof both, sequences: number) => {
  const [source, target] = tables[verb];
  return upstreamContract<number>({
    vendor: { fetch: (request) => vendor.fetch(request) },
    operation: `vicidial.leads.${verb}`,
    params,
    async connect(host, { url, timeoutMs }) {
      host.register(...createUpstreamOperations(host, { upstreamUrl: url, upstreamKey: apiKey, timeoutMs }));
      return {};
    },
    call: (id, { url, timeoutMs }: UpstreamAddress) =>
      createVicidialClient({ baseUrl: url, apiKey, timeoutMs }).leads[verb]({
        update_leads: false,
        ...params,
        lead_ids: [id],
      }),
    async makeItems(count) {
      const leads = Array.from({ length: count }, () => makeLead(next++));
      await database.transaction((db) => db.insertInto(source).values(leads).execute());
      return leads.map(({ lead_id }) => lead_id);
    },
    others: [4_000_000, keptLead],
    isChanged: async (id) => (await hasLead(target, id)) && !(await hasLead(source, id)),
    watchChanges: () => watchChanges(vendor.host),
    isSend: ({ body }) => body.includes('"insert_leads":true'),
    databases: ledgerDatabases,
    sequences,
  });
};

describe("VICIdial as upstream", () => {
  const contract = makeContract("dearchive", both, Number(process.env.FAULTS ?? 5));
  test.each(contract)("$name", ({ check }) => check());
});

describe("VICIdial as upstream, to the archive", () => {
  const contract = makeContract("archive", { ...both, update_leads: false } as typeof both, 0);
  test.each(contract.filter(({ name }) => name.includes("records the truth")))("$name", ({ check }) => check());
});

test("sends nothing to a server with an expired certificate", async () => {
  await using expired = await startFaultProxy({
    target: (request) => vendor.fetch(request),
    fault: () => undefined,
    expiredTls: true,
  });
  const folder = mkdtempSync(join(tmpdir(), "reinstate-expired-"));
  const upstreamCa = join(folder, "ca.pem");
  writeFileSync(upstreamCa, expiredCertificate.cert);
  const { leads } = createUpstreamClient({ upstreamUrl: expired.url, upstreamKey: apiKey, upstreamCa });
  rmSync(folder, { recursive: true });
  const call = leads.dearchive({ ...both, lead_ids: [1] });
  await expect(call).rejects.toMatchObject({ kind: "unavailable", cause: { code: "CERT_HAS_EXPIRED" } });
  expect(expired.requests).toEqual([]);
});
