import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Starts an Altcraft that rejects the token of every call and stores the trace of each. */
export async function startRefusingVendor() {
  const traces: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    traces.push(request.headers.traceparent as string | undefined);
    response
      .writeHead(401, { "content-type": "application/json" })
      .end('{"error":401,"error_text":"API token is not valid"}');
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    traces,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
