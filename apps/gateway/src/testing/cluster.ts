import { type GatewayProcess, startGateway } from "./gateway-process.ts";

/** Four gateways on one PostgreSQL: one for HTTP, one for all, and two workers that can be killed. */
export interface Cluster extends AsyncDisposable {
  /** Of the gateway that does HTTP only. */
  baseUrl: string;
  /** Starts those that work on batches. */
  startWorking(): Promise<void>;
  /** Kills the older worker with -9 and resolves when another one is in its place. */
  replaceWorker(): Promise<void>;
  /** The processes that are alive. */
  pids(): number[];
}

/** With the settings of `startGateway`; only the gateway for HTTP is started. */
export async function startCluster(settings: Record<string, string>): Promise<Cluster> {
  const start = (role: string) => startGateway({ LOG_LEVEL: "error", ...settings, REINSTATE_ROLE: role });
  const web = await start("web");
  const workers: GatewayProcess[] = [];
  let all: GatewayProcess | undefined;
  return {
    baseUrl: web.baseUrl,
    async startWorking() {
      all = await start("all");
      workers.push(...(await Promise.all([start("worker"), start("worker")])));
    },
    async replaceWorker() {
      await workers.shift()?.end("SIGKILL");
      workers.push(await start("worker"));
    },
    pids: () => [web, all, ...workers].flatMap((one) => one?.child.pid ?? []),
    async [Symbol.asyncDispose]() {
      const errors = [web, all, ...workers].map((one) => one?.output().err ?? "").join("");
      if (errors !== "") process.stderr.write(errors);
      for (const one of [web, all, ...workers]) await one?.[Symbol.asyncDispose]();
    },
  };
}

/** Calls of `/v1` with an admin key. */
export function createV1(baseUrl: string, key: string) {
  async function call<Reply>(path: string, body?: string, type = "application/json"): Promise<Reply> {
    const headers = { authorization: `Bearer ${key}`, "content-type": type };
    const response = await fetch(
      `${baseUrl}/v1${path}`,
      body === undefined ? { headers } : { method: "POST", headers, body },
    );
    if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as Reply;
  }
  return {
    submit: (operation: string, account: string, items: readonly number[]) =>
      call<{ id: number }>("/batches", JSON.stringify({ operation, account, items })),
    /** The same for any number of items. */
    stream: (operation: string, account: string, items: readonly number[]) =>
      call<{ id: number }>(
        `/batches?${new URLSearchParams({ operation, account })}`,
        items.join("\n"),
        "application/x-ndjson",
      ),
    get: (id: number) => call<V1Batch>(`/batches/${id}`),
  };
}

export interface V1Batch {
  id: number;
  status: string;
  total: number;
  processed: number;
  done: number;
  skipped: number;
  failed: number;
  unknown: number;
}
