import type { Service } from "../service/service.ts";

export interface ServerOptions {
  server?: string | undefined;
  keyStdin?: boolean | undefined;
}

/** Opens `/v1` on the server that the options name, or in this process with these vendors. */
export async function openService(
  { server, keyStdin }: ServerOptions,
  vendors: readonly string[] = [],
): Promise<Service> {
  if (server !== undefined) {
    const { openRemote, readKey } = await import("../service/remote.ts");
    return openRemote(server, await readKey({ keyStdin }));
  }
  const { openLocal } = await import("../service/local.ts");
  return openLocal(vendors);
}

/** Runs the work of a command with `/v1`, and closes it at its end. */
export async function withService<Result>(
  options: ServerOptions,
  vendors: readonly string[],
  work: (service: Service) => Promise<Result>,
): Promise<Result> {
  const service = await openService(options, vendors);
  try {
    return await work(service);
  } finally {
    await service.close();
  }
}
