import { createHost, type Host, type HostOptions } from "../host.ts";

/** A host that closes itself at the end of an `await using` block. */
export type TestHost = Host & AsyncDisposable;

/** Creates a host on its own database, by default in memory. */
export async function createTestHost(options: Partial<HostOptions> = {}): Promise<TestHost> {
  const host = await createHost({ databaseUrl: "sqlite::memory:", ...options });
  return Object.assign(host, { [Symbol.asyncDispose]: () => host.close() });
}
