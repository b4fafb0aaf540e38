import { defineOperation, defineVendor, type Vendor, type VendorInspection } from "@reinstate/batch-core";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { signIn } from "../testing/dashboard-client.ts";
import { openDemoGateway } from "../testing/demo-gateway.ts";
import { formatHours } from "./format.ts";

/** A vendor with limits, whose state the test sets. */
const makeVendor = (inspect: () => Promise<VendorInspection>): Vendor =>
  defineVendor({
    name: "mill",
    label: "The mill",
    paths: ["/mill"],
    settings: z.strictObject({}),
    async create(host) {
      const grind = defineOperation<number, unknown>({
        name: "mill.sacks.restore",
        label: "sack/restore",
        item: z.int(),
        params: z.strictObject({}),
        key: (id) => id,
        chunkSize: 10,
        limits: { perSecond: 5, burst: 20, concurrency: 2 },
        apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
      });
      host.register(grind);
      return { operations: [grind], inspect, routes: { fetch: () => new Response(null, { status: 404 }) } };
    },
    demo: { keys: [], load: async () => {}, curl: () => "" },
  }) as unknown as Vendor;

const toText = (page: string) => page.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");

/** Returns the box of the mill. */
async function readBox(inspect: () => Promise<VendorInspection>) {
  await using gateway = await openDemoGateway("sqlite::memory:", {}, [makeVendor(inspect)]);
  const client = await signIn(gateway);
  const read = async () => {
    const page = await (await client.get("/systems")).text();
    return toText(page.slice(page.indexOf("The mill")));
  };
  return [await read(), await read()] as const;
}

describe("the page of the systems", () => {
  test("shows targets, findings, versions and limits, asked once", async () => {
    let asked = 0;
    const [first, second] = await readBox(async () => {
      asked++;
      return {
        targets: [
          { target: "local", address: "mariadb://mill.example/grain", reachable: true, ms: 12 },
          {
            target: "upstream",
            address: "https://api.mill.example",
            reachable: false,
            message: "It refuses the connection",
          },
        ],
        findings: [
          {
            level: "warning",
            title: "No index on sacks",
            detail: "A search reads all rows",
            sql: "create index i on sacks (id)",
          },
        ],
        versions: { MariaDB: "11.8.6" },
      };
    });
    for (const part of [
      "not reachable",
      "mariadb://mill.example/grain reachable in 12 ms",
      "https://api.mill.example It refuses the connection",
      "MariaDB 11.8.6",
      "warning No index on sacks",
      "A search reads all rows create index i on sacks (id)",
      "Restore sacks always open 10 5 burst 20 20 0 of 2",
    ]) {
      expect(first).toContain(part);
    }
    expect(second).toContain("MariaDB 11.8.6");
    expect(asked).toBe(1);
  });

  test("shows that a vendor hangs, and shows the others", async () => {
    const [box] = await readBox(() => new Promise(() => {}));
    expect(box).toContain("no answer within 2 s");
  });
});

describe("office hours", () => {
  const noon = Date.UTC(2026, 10, 30, 12);
  const hour = 3_600_000;
  test.each([
    [{ open: true, until: noon + 5 * hour }, "open until 18:00 Europe/Berlin"],
    [{ open: true }, "open"],
    [{ open: false, opensAt: noon + 8 * hour }, "opens 21:00 Europe/Berlin"],
    [{ open: false, opensAt: noon + 19 * hour }, "opens Tuesday 08:00 Europe/Berlin"],
    [{ open: false }, "closed"],
  ])("appear in their own time zone: %j", (hours, text) => {
    expect(formatHours({ timeZone: "Europe/Berlin", ...hours }, noon)).toBe(text);
  });
});
