import type { Host, HostOptions } from "../host.ts";
import type { Vendor, VendorInstance } from "../vendor/vendor.ts";
import { createTestHost, type TestHost } from "./test-host.ts";

/** Options of a started vendor. */
export interface StartVendorOptions<Instance> {
  /** The vendor's settings, as texts. Default: none. */
  settings?: Record<string, string> | undefined;
  /** Creates the vendor with other options than settings, such as a `fetch`. Default: from `settings`. */
  create?: ((host: Host) => Promise<Instance>) | undefined;
  /** Default: a SQLite database in memory. */
  host?: Partial<HostOptions> | undefined;
}

/** A running vendor with its demo records and keys, without a socket. */
export interface StartedVendor<Instance> extends AsyncDisposable {
  host: TestHost;
  instance: Instance;
  /** Calls the vendor's API like the global `fetch`. A host name is added to a bare path. */
  fetch(input: string | Request, init?: RequestInit): Promise<Response>;
}

/**
 * Starts a vendor as the gateway does: with its tables, its demo keys and its demo records. Stops it at the end of an
 * `await using` block.
 *
 * @example
 * await using vendor = await startVendor(zendesk, { host: { databaseUrl: database.url } });
 * const response = await vendor.fetch("/api/v2/deleted_tickets", { headers: { authorization: "Bearer demo-zendesk-key" } });
 */
export async function startVendor<Settings, Instance extends VendorInstance>(
  vendor: Vendor<Settings, Instance>,
  options: StartVendorOptions<Instance> = {},
): Promise<StartedVendor<Instance>> {
  const host = await createTestHost(options.host);
  const createFromSettings = () =>
    vendor.create(host, vendor.settings.parse(options.settings ?? {}), { timeZone: "UTC" });
  let instance: Instance | undefined;

  async function stop(): Promise<void> {
    await instance?.closing?.();
    await host.close();
    await instance?.close?.();
  }

  try {
    const { create = createFromSettings } = options;
    const created = await create(host);
    instance = created;
    for (const key of vendor.demo.keys) {
      // The vendor may have been started on this database before.
      if (!(await host.keys.find(key.vendor, key.secret))) await host.keys.create(key);
    }
    await vendor.demo.load(host, created);
    return {
      host,
      instance: created,
      fetch: async (input, init) => created.routes.fetch(toRequest(input, init)),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function toRequest(input: string | Request, init?: RequestInit): Request {
  const isPath = typeof input === "string" && input.startsWith("/");
  return new Request(isPath ? `http://vendor.example${input}` : input, init);
}
