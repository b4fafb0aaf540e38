import { once } from "node:events";
import { Agent, request } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";

type Fetch = (request: Request) => Response | Promise<Response>;

/** A server on a port of its own, and a client that keeps its connection. */
export async function serving(fetch: Fetch, headers: Record<string, string> = {}) {
  const server = serve({ fetch, hostname: "127.0.0.1", port: 0 });
  if (!server.listening) await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
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
