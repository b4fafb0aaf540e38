import { demoParameters } from "@reinstate/altcraft/testing";
import type { Host } from "@reinstate/batch-core";
import { until } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { demoAdminKey } from "./demo.ts";
import { openDemoGateway } from "./testing/demo-gateway.ts";
import { type ServedRoute, servedRoutes } from "./testing/served-routes.ts";

/** Stands in every text of the records of the account whose data must not leak. */
const canary = "canary-7f3a";
const settings = {
  REINSTATE_ALTCRAFT_EXTENSIONS: "on",
  REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
  // Its tables are in the schema that is read here.
  REINSTATE_ENGINE: "in-process",
};

type Holder = "own" | "other account" | "account header of another" | "other vendor" | "revoked" | "read-only" | "none";

interface Call {
  path: string;
  method?: string;
  body?: unknown;
  /** The call changes nothing, so that a key that may only read may make it. */
  reads?: boolean;
}

const flags = { insert_leads: true, delete_leads: true, update_leads: true };
/** Altcraft's methods that change nothing. */
const isReading = (name: string) => /\/(get|list)/.test(name);
const readingMethods = Object.keys(demoParameters).filter(isReading);

/**
 * The calls of a route, on records of the account `acc_demo`. A route that has none makes the test fail. A vendor that is not here is
 * held to the same by its own contract.
 */
const callsByApi: Record<string, (route: ServedRoute, batch: number) => Call[]> = {
  v1: ({ method, path }, batch) => {
    const items = { operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [1] };
    if (method === "POST" && path === "/v1/batches") return [{ path, body: items }];
    if (path === "/v1/items")
      return [{ path: `${path}?operation=firstpromoter.promoters.archive&item=1`, reads: true }];
    return [
      { path: path.replace(":id", String(batch)), reads: method === "GET", ...(method === "POST" && { body: {} }) },
    ];
  },
  firstpromoter: ({ method, path }, batch) => {
    const body = {
      ...{ ids: [1, 2], campaign_id: 1, from_campaign_id: 1, to_campaign_id: 2, parent_promoter_id: 3 },
      ...{ drip_emails: false, soft_move_referrals: false, note: "seen", email: "tenant@example.com" },
    };
    const target = path.replace(":id", path.includes("batch_processes") ? String(batch) : "1");
    if (method !== "GET") return [{ path: target, body }];
    const queries = ["", "?filters[status]=completed&filters[archived]=true&per_page=100", `?q=${canary}`];
    return queries.map((query) => ({ path: target + query, reads: true }));
  },
  altcraft: ({ path }) => {
    const name = path.replace("/api/v1.1/", "");
    const body = demoParameters[name];
    return body ? [{ path, body, reads: isReading(name) }] : [];
  },
  vicidial: ({ path }) => {
    if (path === "/vicidial/non_agent_api.php") {
      return [{ path: `${path}?source=test&user=6666&pass=1234&function=lead_dearchive&lead_id=5`, method: "GET" }];
    }
    if (path !== "/vicidial/:word{leads?}/:verb{(?:de)?archive}/:customer?") return [];
    return ["leads/dearchive", "leads/archive", "lead/dearchive", "lead/archive/acme"].map((name) => {
      const { update_leads: _, ...dearchive } = flags;
      return {
        path: `/vicidial/${name}`,
        body: { ...(name.includes("dearchive") ? dearchive : flags), lead_ids: [5] },
      };
    });
  },
};

/** The answer that a holder must get: let in, not let in, or not allowed; undefined where there is no such holder. */
function expectedStatuses({ api, path }: ServedRoute, { reads }: Call, holder: Holder) {
  // VICIdial's own call has users of its own, of whom there are none beside the demo tables.
  if (path === "/vicidial/non_agent_api.php") return holder === "read-only" ? undefined : "login";
  switch (holder) {
    case "own":
      return "in";
    case "other account":
      return api === "firstpromoter" ? "in" : undefined;
    case "account header of another":
      return api === "firstpromoter" ? 403 : undefined;
    case "read-only":
      if (api !== "v1" && api !== "altcraft") return undefined;
      return reads ? "in" : 403;
    default:
      return 401;
  }
}

const scheme = (api: string) => (api === "vicidial" ? "Key=" : "Bearer ");

async function makeKeys({ keys }: Host) {
  const make = async (vendor: string, account = "", options: Record<string, unknown> = {}) =>
    keys.create({ vendor, account, options });
  const revoked: Record<string, string> = {};
  for (const vendor of ["admin", "firstpromoter", "altcraft", "vicidial"]) {
    const { key, secret } = await make(vendor, vendor === "firstpromoter" ? "acc_demo" : "");
    await keys.revoke(key.id);
    revoked[vendor === "admin" ? "v1" : vendor] = secret;
  }
  const all = await make("altcraft", "", { methods: Object.keys(demoParameters) });
  const reading = await make("altcraft", "", { methods: readingMethods });
  const readingV1 = await make("admin", "", { access: "read" });
  const own: Record<string, string> = {
    v1: demoAdminKey,
    firstpromoter: "demo-firstpromoter-key",
    altcraft: all.secret,
    vicidial: "demo-vicidial-key",
  };
  return {
    own,
    revoked,
    "read-only": { v1: readingV1.secret, altcraft: reading.secret } as Record<string, string>,
  };
}

type Keys = Awaited<ReturnType<typeof makeKeys>>;

/** The requests of a call by a holder: one for each other vendor's key, else one. */
function makeRequests({ api, method }: ServedRoute, call: Call, holder: Holder, keys: Keys): Request[] {
  const make = (secret: string | undefined, account = "acc_demo") =>
    new Request(`http://localhost${call.path}`, {
      method: call.method ?? method,
      headers: {
        "account-id": account,
        ...(secret !== undefined && { authorization: scheme(api) + secret }),
        ...(call.body !== undefined && { "content-type": "application/json" }),
      },
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
    });
  const other = "demo-firstpromoter-other-key";
  switch (holder) {
    case "own":
      return [make(keys.own[api])];
    case "other account":
      return [make(other, "acc_other")];
    case "account header of another":
      return [make(other)];
    case "other vendor":
      return Object.entries(keys.own).flatMap(([name, secret]) => (name === api ? [] : [make(secret)]));
    case "revoked":
      return [make(keys.revoked[api])];
    case "read-only":
      return [make(keys["read-only"][api])];
    case "none":
      return [make(undefined)];
  }
}

/** Every row of every table but the keys; of one account alone if it is named. */
async function readContents({ database }: Host, account?: string): Promise<string> {
  const db = database.tables();
  const tables = (await db.introspection.getTables()).filter(
    ({ name }) => name !== "reinstate_keys" && !/^kysely_/.test(name),
  );
  const parts: unknown[] = [];
  for (const { name, columns } of tables.sort((a, b) => a.name.localeCompare(b.name))) {
    const hasAccount = columns.some((column) => column.name === "account");
    if (account !== undefined && !hasAccount) continue;
    const where = account === undefined ? sql`` : sql`where account = ${account}`;
    const { rows } = await sql`select * from ${sql.table(name)} ${where}`.execute(db);
    parts.push([name, rows.map((row) => JSON.stringify(row)).sort()]);
  }
  return JSON.stringify(parts, null, 1);
}

describe.each(ledgerDatabases)("every route for every holder of a key on $name", async ({ open }) => {
  const routes = (await servedRoutes(settings)).filter(({ api }) => Object.hasOwn(callsByApi, api));

  async function start() {
    const database = await open();
    const gateway = await openDemoGateway(database.url, settings);
    const { host } = gateway;
    await sql`update firstpromoter_promoters set note = ${canary}, email = 'c.' || id || ${`@${canary}.example`}
      where account = 'acc_demo'`.execute(host.database.tables());
    const { id } = await host.batches.submit({
      operation: "firstpromoter.promoters.archive",
      account: "acc_demo",
      items: [1, 2, 3, 5000],
    });
    await until(async () => (await host.batches.get(id)).status === "completed");
    return {
      gateway,
      batch: id,
      keys: await makeKeys(host),
      async [Symbol.asyncDispose]() {
        await gateway.stop();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  const cells = (batch: number, holder: Holder) =>
    routes.flatMap((route) =>
      (callsByApi[route.api]?.(route, batch) ?? []).map((call) => ({
        route,
        call,
        expected: expectedStatuses(route, call, holder),
      })),
    );

  test("is in the table", () => {
    const missing = routes.filter((route) => (callsByApi[route.api]?.(route, 1) ?? []).length === 0);
    expect(missing).toEqual([]);
    expect(new Set(routes.map(({ api }) => api))).toEqual(new Set(Object.keys(callsByApi)));
  });

  test("rejects every call that a holder may not make, and changes nothing", async () => {
    await using server = await start();
    const { gateway, keys, batch } = server;
    const before = await readContents(gateway.host);
    for (const holder of ["none", "revoked", "other vendor", "account header of another", "read-only"] as const) {
      for (const { route, call, expected } of cells(batch, holder)) {
        if (expected === undefined) continue;
        for (const request of makeRequests(route, call, holder, keys)) {
          const response = await gateway.fetch(request);
          const text = await response.text();
          const isLogin = text.startsWith("ERROR: Login incorrect");
          const isIn = !isLogin && (response.status < 400 || response.status === 404);
          const result = isLogin ? "login" : isIn ? "in" : response.status;
          expect([holder, route.method, call.path, result]).toEqual([holder, route.method, call.path, expected]);
          if (expected !== "in") expect(text).not.toContain(canary);
        }
      }
    }
    expect(await readContents(gateway.host)).toBe(before);
    expect(gateway.errors).toEqual([]);
  });

  test("shows and changes nothing of another account", async () => {
    await using server = await start();
    const { gateway, keys, batch } = server;
    const before = await readContents(gateway.host, "acc_demo");
    for (const { route, call, expected } of cells(batch, "other account")) {
      if (expected === undefined) continue;
      for (const request of makeRequests(route, call, "other account", keys)) {
        const response = await gateway.fetch(request);
        const text = await response.text();
        const isIn = response.status !== 401 && response.status !== 403 && response.status < 500;
        expect([call.path, isIn]).toEqual([call.path, true]);
        expect([call.path, text.includes(canary)]).toEqual([call.path, false]);
      }
    }
    expect(await readContents(gateway.host, "acc_demo")).toBe(before);
    expect(gateway.errors).toEqual([]);
  });

  test("serves its own holder", async () => {
    await using server = await start();
    const { gateway, keys, batch } = server;
    let shown = 0;
    for (const { route, call } of cells(batch, "own")) {
      for (const request of makeRequests(route, call, "own", keys)) {
        const response = await gateway.fetch(request);
        const isIn = response.status !== 401 && response.status !== 403 && response.status < 500;
        expect([route.method, call.path, isIn]).toEqual([route.method, call.path, true]);
        if ((await response.text()).includes(canary)) shown++;
      }
    }
    // The other tests look for the same text.
    expect(shown).toBeGreaterThan(1);
    expect(gateway.errors).toEqual([]);
  });
});
