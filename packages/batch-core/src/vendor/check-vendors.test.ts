import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../operation/operation.ts";
import { createTestHost } from "../testing/test-host.ts";
import { checkVendors, createInstance } from "./check-vendors.ts";
import type { Vendor } from "./vendor.ts";

const makeVendor = (name: string, change: object = {}): Vendor => ({
  name,
  label: name,
  paths: [`/${name}/v2`],
  settings: z.strictObject({}),
  create: async () => ({ routes: { fetch: () => new Response() }, operations: [] }),
  demo: { keys: [], load: async () => {}, curl: () => "" },
  ...change,
});

const makeOperation = (name: string) =>
  defineOperation<number, unknown>({
    name,
    label: name,
    item: z.int(),
    params: z.unknown(),
    key: (id) => id,
    chunkSize: 1,
    apply: async () => [],
  });

/** The line that stops the start. */
function findFault(...vendors: Vendor[]): string {
  try {
    checkVendors(vendors, ["/v1", "/healthz"]);
    return "";
  } catch (error) {
    expect(error).toMatchObject({ code: "bad_setting" });
    return (error as Error).message;
  }
}

describe("declarations of vendors", () => {
  test("accept vendors with paths of their own, within each other or not", () => {
    const nested = makeVendor("freshdesk", { paths: ["/zendesk/v2/tickets", "/freshdesk"] });
    expect(findFault(makeVendor("zendesk"), nested)).toBe("");
  });

  const zendesk = makeVendor("zendesk");
  test.each<[string, object, string]>([
    ["no demo", { demo: undefined }, "demo: is missing"],
    ["no path", { paths: [] }, "paths: must hold a path"],
    ["no label", { label: "" }, "label: must not be empty"],
    ["no settings", { settings: {} }, "settings: must be a zod object"],
    ["no create", { create: undefined }, "create: is missing"],
    ["an import without run", { import: { formats: ["csv"] } }, "import.run: is missing"],
    ["an import without formats", { import: { formats: [], run() {} } }, "import.formats: must hold a format"],
    ["an unknown field", { channels: [] }, "channels: is not a field of a vendor"],
    [
      "an unknown field of the import",
      { import: { formats: ["csv"], run() {}, channel: "email" } },
      "import.channel: is not a field of a vendor",
    ],
    [
      "an option that every import has",
      { import: { formats: ["csv"], run() {}, options: z.strictObject({ account: z.string() }) } },
      "import.options.account: is an option of every import",
    ],
    [
      "a slash at the end",
      { paths: ["/api/"] },
      "paths.0: must be segments such as /api/v2, without a slash at the end",
    ],
    ["a parameter", { paths: ["/api/{id}"] }, "paths.0: must be segments"],
    ["its path twice", { paths: ["/api", "/api"] }, "paths: /api is a path of zendesk too"],
    ["a path of the gateway", { paths: ["/v1"] }, "paths: /v1 is a path of the gateway too"],
    ["a path below one of the gateway", { paths: ["/v1/zendesk"] }, "paths: /v1/zendesk is a path of the gateway too"],
  ])("reject a vendor with %s", (_, change, message) => {
    expect(findFault({ ...zendesk, ...change } as Vendor)).toContain(`vendor zendesk: ${message}`);
  });

  test("reject a name that is none", () => {
    expect(findFault(makeVendor("Zen desk"))).toMatch(/^vendor Zen desk: name: must be/);
  });

  test("reject one path of two vendors", () => {
    const other = makeVendor("freshdesk", { paths: ["/freshdesk", "/zendesk/v2"] });
    expect(findFault(zendesk, other)).toBe("vendor freshdesk: paths: /zendesk/v2 is a path of zendesk too");
  });

  test("reject one name of two vendors", () => {
    expect(findFault(zendesk, makeVendor("zendesk", { paths: ["/other"] }))).toBe(
      "vendor zendesk: name: is the name of two vendors",
    );
  });
});

describe("an instance of a vendor", () => {
  const create = async (instance: object) => {
    await using host = await createTestHost();
    const vendor = makeVendor("zendesk", { create: async () => instance });
    // Awaited here, because the host is closed at the end of this block.
    return await createInstance(vendor, host, {}, { timeZone: "UTC" });
  };
  const routes = { fetch: () => new Response() };

  test("is returned if it is complete", async () => {
    const instance = { routes, operations: [makeOperation("zendesk.tickets.restore")] };
    expect(await create(instance)).toBe(instance);
  });

  test.each<[string, object, string]>([
    ["routes", { operations: [] }, "vendor zendesk: routes: is missing"],
    ["operations", { routes }, "vendor zendesk: operations: is missing"],
    [
      "an operation of its own name",
      { routes, operations: [makeOperation("freshdesk.tickets.restore")] },
      "vendor zendesk: operations: freshdesk.tickets.restore must begin with zendesk.",
    ],
  ])("is rejected without %s", async (_, instance, message) => {
    await expect(create(instance)).rejects.toMatchObject({ code: "bad_setting", message });
  });
});

describe("operations", () => {
  test("are rejected if they are declared twice for one target", async () => {
    await using host = await createTestHost();
    const operation = makeOperation("zendesk.tickets.restore");
    host.register(operation, { ...operation, target: "upstream" });
    expect(() => host.register(operation)).toThrow(
      "vendor zendesk: operations: zendesk.tickets.restore is declared twice for the target local",
    );
  });

  test("are rejected with one column under two names", () => {
    const operation = makeOperation("zendesk.tickets.restore");
    expect(() => defineOperation({ ...operation, columns: ["ticket_id", "Ticket ID"] })).toThrow(
      "vendor zendesk: columns of zendesk.tickets.restore: ticket_id is declared twice",
    );
  });
});
