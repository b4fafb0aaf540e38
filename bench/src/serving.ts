import { once } from "node:events";
import { Agent, request } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { median } from "./report.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

/** The number of concurrent clients in a measurement with several. */
export const crowd = 16;

/** Starts a server on a free port, and clients with keep-alive connections. */
export async function serving(fetch: Fetch, headers: Record<string, string> = {}) {
  const server = serve({ fetch, hostname: "127.0.0.1", port: 0 });
  if (!server.listening) await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: crowd });
  return {
    url: `http://127.0.0.1:${port}`,
    /** Sends a GET, or a POST if there is a body. */
    call: (path: string, body?: string, type = "application/json") =>
      new Promise<string>((resolve, reject) => {
        const sent = request(
          {
            port,
            host: "127.0.0.1",
            path,
            agent,
            method: body === undefined ? "GET" : "POST",
            headers: {
              ...headers,
              ...(body !== undefined && {
                "content-type": type,
                "content-length": Buffer.byteLength(body),
              }),
            },
          },
          (response) => {
            let text = "";
            response.setEncoding("utf8");
            response.on("data", (part: string) => {
              text += part;
            });
            response.on("end", () =>
              response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode}: ${text}`)),
            );
          },
        );
        sent.on("error", reject);
        sent.end(body);
      }),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Uncounted turns that warm up the code and the databases, or as many as are counted if those are fewer. */
const warmUpTurns = 6;

/**
 * Measures several ways to make a call in alternating turns. Returns a row per turn with the milliseconds per call of each way.
 * For a single client that is its latency; for several it is the elapsed time divided by the calls.
 */
export async function inTurns(
  { turns, perTurn, clients }: { turns: number; perTurn: number; clients: number },
  ways: readonly (() => Promise<unknown>)[],
): Promise<number[][]> {
  const rows: number[][] = [];
  const warmUp = Math.min(warmUpTurns, turns);
  const order = ways.map((way, index) => ({ way, index }));
  for (let turn = 0; turn < turns + warmUp; turn++) {
    const row: number[] = [];
    for (const { way, index } of order) row[index] = await measureCall(way, perTurn, clients);
    order.push(order.shift() as (typeof order)[number]);
    if (turn >= warmUp) rows.push(row);
  }
  return rows;
}

async function measureCall(way: () => Promise<unknown>, calls: number, clients: number): Promise<number> {
  const taken: number[] = [];
  let left = calls * clients;
  const client = async () => {
    while (left-- > 0) {
      const start = performance.now();
      await way();
      taken.push(performance.now() - start);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  return clients === 1 ? median(taken) : (performance.now() - start) / (calls * clients);
}
