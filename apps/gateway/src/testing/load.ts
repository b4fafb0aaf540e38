import { type HttpConnection, openHttp } from "./http-connection.ts";

/** The options of the load generator, as JSON in the first argument of its process. */
export interface LoadOptions {
  baseUrl: string;
  /** Requests as text, sent in turn. */
  requests: string[];
  seconds: number;
  /** Calls a second, whatever becomes of them. Without it each connection calls again as soon as it is answered. */
  perSecond?: number;
  connections: number;
}

export interface LoadResult {
  seconds: number;
  sent: number;
  /** Calls that could not be sent because every connection was waiting for an answer. */
  unsent: number;
  /** How many calls got each status; 0 for a lost connection. */
  statuses: Record<string, number>;
  /** Milliseconds within which 99 of 100 calls were answered with 200. */
  p99Ms: number;
  /** Processor time of the load generator itself. */
  cpuSeconds: number;
}

/** Connections that are opened at once, so that it is not the kernel that is overloaded. */
const opensPerTurn = 20;

async function generate({ baseUrl, requests, seconds, perSecond, connections }: LoadOptions): Promise<LoadResult> {
  const bytes = requests.map((text) => Buffer.from(text));
  const all: HttpConnection[] = [];
  const idle: HttpConnection[] = [];
  const waits: Promise<void>[] = [];
  const times: number[] = [];
  const statuses: Record<string, number> = {};
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  let sent = 0;
  let unsent = 0;

  async function call(connection: HttpConnection): Promise<void> {
    const { status, ms } = await connection.call(bytes[sent++ % bytes.length] as Buffer);
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status === 200) times.push(ms);
  }
  const open = () => {
    const connection = openHttp(baseUrl);
    all.push(connection);
    return connection;
  };

  if (perSecond === undefined) {
    const loop = async (connection: HttpConnection) => {
      while (elapsed() < seconds) await call(connection);
    };
    await Promise.all(Array.from({ length: connections }, () => loop(open())));
  } else {
    while (elapsed() < seconds) {
      const due = Math.floor(elapsed() * perSecond) - sent - unsent;
      const most = all.length + opensPerTurn;
      for (let count = 0; count < due; count++) {
        const connection = idle.pop() ?? (all.length < Math.min(connections, most) ? open() : undefined);
        if (connection) waits.push(call(connection).then(() => void idle.push(connection)));
        else unsent++;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  // The server works for these calls too, so they belong to what it did for its processor time.
  await Promise.all(waits);
  const total = elapsed();
  for (const connection of all) connection.close();
  times.sort((a, b) => a - b);
  const { user, system } = process.cpuUsage();
  return {
    seconds: total,
    sent,
    unsent,
    statuses,
    p99Ms: times[Math.floor(times.length * 0.99)] ?? 0,
    cpuSeconds: (user + system) / 1_000_000,
  };
}

process.stdout.write(JSON.stringify(await generate(JSON.parse(process.argv[2] as string) as LoadOptions)));
