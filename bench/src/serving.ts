import { once } from "node:events";
import { Agent, request } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { median } from "./report.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

/** How many clients a server has where it has several. */
export const crowd = 16;

/** A server on a port of its own, and clients that keep their connections. */
export async function serving(fetch: Fetch, headers: Record<string, string> = {}) {
  const server = serve({ fetch, hostname: "127.0.0.1", port: 0 });
  if (!server.listening) await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: crowd });
  return {
    /** With a body a POST. */
    call: (path: string, body?: string, type = "application/json") =>
      new Promise<string>((resolve, reject) => {
        const sent = request(
          {
            ...{ port, host: "127.0.0.1", path, agent, method: body === undefined ? "GET" : "POST" },
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

/** Turns that are not counted, in which code warms up, and the databases. */
const warmUp = 6;

/**
 * Ways to make a call, in turns: milliseconds that a call takes, a row per turn with a figure per way. By a client alone that
 * is how long he waits; by several at once, the time by the calls that were answered in it.
 */
export async function inTurns(
  { turns, perTurn, clients }: { turns: number; perTurn: number; clients: number },
  ways: readonly (() => Promise<unknown>)[],
): Promise<number[][]> {
  const rows: number[][] = [];
  const order = ways.map((way, index) => ({ way, index }));
  for (let turn = 0; turn < turns + warmUp; turn++) {
    const row: number[] = [];
    for (const { way, index } of order) row[index] = await perCall(way, perTurn, clients);
    order.push(order.shift() as (typeof order)[number]);
    if (turn >= warmUp) rows.push(row);
  }
  return rows;
}

async function perCall(way: () => Promise<unknown>, calls: number, clients: number): Promise<number> {
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
