import { createHost, type Host, type HostOptions } from "../host.ts";

/** A host that closes itself at the end of an `await using` block. */
export type TestHost = Host & AsyncDisposable;

/** A host on a database of its own: in memory, unless a URL is given. */
export async function createTestHost(options: Partial<HostOptions> = {}): Promise<TestHost> {
  const host = await createHost({ databaseUrl: "sqlite::memory:", ...options });
  return Object.assign(host, { [Symbol.asyncDispose]: () => host.close() });
}
