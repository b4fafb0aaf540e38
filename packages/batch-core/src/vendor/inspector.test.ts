import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { ReinstateError, silentLog } from "../index.ts";
import { createTestClock, createTestHost } from "../testing/index.ts";
import {
  inspectHostDatabase,
  inspectTarget,
  inspectUpstream,
  toPublicAddress,
  type VendorInspection,
} from "./inspection.ts";
import { createInspector } from "./inspector.ts";

const nothing: VendorInspection = { targets: [], findings: [], versions: {} };

function createVendors(vendors: Record<string, () => Promise<VendorInspection>>) {
  const calls: string[] = [];
  const instances = Object.entries(vendors).map(([name, inspect]) => ({
    vendor: { name, label: name },
    instance: {
      inspect() {
        calls.push(name);
        return inspect();
      },
    },
  }));
  return { instances, calls };
}

describe("inspector", () => {
  test("asks each vendor once in 30 seconds", async () => {
    const clock = createTestClock();
    const { instances, calls } = createVendors({ a: async () => nothing, b: async () => nothing });
    const { inspect } = createInspector(instances, { clock, log: silentLog });
    const at = clock.now();
    const answers = await Promise.all([inspect(), inspect(), inspect("b")]);
    expect(answers[0]).toEqual([
      { vendor: "a", label: "a", at, inspection: nothing },
      { vendor: "b", label: "b", at, inspection: nothing },
    ]);
    expect(answers[2]).toEqual([{ vendor: "b", label: "b", at, inspection: nothing }]);
    clock.advance(29_999);
    await inspect();
    expect(calls).toEqual(["a", "b"]);
    clock.advance(1);
    await inspect();
    expect(calls).toEqual(["a", "b", "a", "b"]);
    expect(await inspect("c")).toEqual([]);
  });

  test("answers for a vendor that hangs and delays no other", async () => {
    const { instances, calls } = createVendors({ silent: () => new Promise(() => {}), quick: async () => nothing });
    const { inspect } = createInspector(instances, { clock: createTestClock(), log: silentLog });
    const [quick] = await inspect("quick");
    expect(quick?.inspection).toEqual(nothing);
    const readers = await Promise.all(Array.from({ length: 20 }, () => inspect()));
    for (const [silent, other] of readers) {
      expect(silent).toMatchObject({ vendor: "silent", fault: "no answer within 2 s" });
      expect(other?.inspection).toEqual(nothing);
    }
    expect(calls).toEqual(["quick", "silent"]);
  });

  test("aborts what is no longer waited for", async () => {
    let signal: AbortSignal | undefined;
    const instance = {
      inspect(options?: { signal?: AbortSignal }) {
        signal = options?.signal;
        return new Promise<never>(() => {});
      },
    };
    const vendor = { name: "silent", label: "silent" };
    const options = { clock: createTestClock(), log: silentLog, timeoutMs: 20 };
    await createInspector([{ vendor, instance }], options).inspect();
    expect(signal?.aborted).toBe(true);
  });

  test("shows no text of a fault that is not for callers", async () => {
    const logged: unknown[] = [];
    const { instances } = createVendors({
      secret: () => Promise.reject(new Error("password hunter2 is wrong")),
      known: () => Promise.reject(new ReinstateError("wrong_state", "The tables are damaged")),
    });
    const log = { ...silentLog, warn: (fields: object) => void logged.push(fields) };
    const found = await createInspector(instances, { clock: createTestClock(), log }).inspect();
    expect(found.map(({ fault }) => fault)).toEqual(["Unexpected error; see the server log", "The tables are damaged"]);
    expect(logged).toHaveLength(2);
  });

  test("takes a vendor without an inspection", async () => {
    const instances = [{ vendor: { name: "a", label: "A" }, instance: {} }];
    const [found] = await createInspector(instances, { clock: createTestClock(), log: silentLog }).inspect();
    expect(found?.inspection).toEqual(nothing);
  });
});

describe("inspected target", () => {
  const place = { target: "upstream" as const, address: "https://vendor.example" };

  test("reports a slow answer as none", async () => {
    expect(await inspectTarget(place, () => new Promise(() => {}))).toEqual({
      ...place,
      reachable: false,
      message: "no answer within 1.5 s",
    });
  });

  test.each([
    [204, true],
    [401, true],
    [404, true],
    [503, false],
  ])("takes the status %i as reachable: %s", async (status, reachable) => {
    const seen: unknown[] = [];
    const server = createServer(({ method, headers }, response) => {
      seen.push([method, headers.authorization]);
      response.writeHead(status).end();
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const found = await inspectUpstream({ url: `http://127.0.0.1:${port}/api?token=hunter2`, account: "acc" });
    expect(found).toMatchObject({
      target: "upstream",
      address: `http://127.0.0.1:${port}/api`,
      account: "acc",
      reachable,
    });
    if (!reachable) expect(found.message).toBe("cannot be reached (status 503)");
    expect(seen).toEqual([["HEAD", undefined]]);
    server.closeAllConnections();
    server.close();
  });

  test("names why a server cannot be reached", async () => {
    const found = await inspectUpstream({ url: "http://127.0.0.1:9/" });
    expect(found).toMatchObject({ reachable: false, message: expect.stringMatching(/^cannot be reached/) });
  });

  test.each([
    ["mysql://cron:hunter2@127.0.0.1:3306/asterisk?ssl-mode=REQUIRED", "mysql://127.0.0.1:3306/asterisk"],
    ["https://key:hunter2@vendor.example/", "https://vendor.example"],
    ["https://vendor.example/api/v2/company#x", "https://vendor.example/api/v2/company"],
  ])("shows %s without its secrets", (url, address) => {
    expect(toPublicAddress(url)).toBe(address);
  });
});

describe.each(ledgerDatabases)("inspection of the host's database on $name", ({ name, open }) => {
  test("has its version and the time of its answer", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const { targets, versions } = await inspectHostDatabase(host);
    expect(targets).toEqual([
      { target: "local", address: `the ledger's database (${name})`, reachable: true, ms: expect.any(Number) },
    ]);
    expect(versions).toEqual({ [name]: expect.stringMatching(/^\d+\.\d+/) });
  });
});
