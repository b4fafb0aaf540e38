import { readFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import type { CircuitBreaker } from "@reinstate/batch-core/client";
import { createVicidialClient, type VicidialClient } from "../client.ts";

/** The address of a real TForge endpoint, and its key. */
export interface UpstreamOptions {
  upstreamUrl: string;
  upstreamKey: string;
  /** The path of a CA file, for a server with a private certificate. */
  upstreamCa?: string | undefined;
  /** Milliseconds until the answer must be complete. Default 30,000. */
  timeoutMs?: number | undefined;
}

/**
 * Creates the client of the real endpoint.
 *
 * @throws Error if the CA file cannot be read.
 */
export function createUpstreamClient(
  { upstreamUrl, upstreamKey, upstreamCa, timeoutMs }: UpstreamOptions,
  breaker?: CircuitBreaker,
): VicidialClient {
  const fetch = createUpstreamFetch({ upstreamUrl, upstreamCa });
  return createVicidialClient({
    baseUrl: upstreamUrl,
    apiKey: upstreamKey,
    ...(fetch && { fetch }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(breaker && { breaker }),
  });
}

/** Returns the `fetch` for an endpoint with a private certificate; undefined if the global one serves. */
export function createUpstreamFetch({ upstreamUrl, upstreamCa }: Pick<UpstreamOptions, "upstreamUrl" | "upstreamCa">) {
  if (upstreamCa === undefined || !upstreamUrl.startsWith("https:")) return undefined;
  return trustOnly(readFileSync(upstreamCa, "utf8"));
}

/** Returns a `fetch` that trusts only the certificates of one CA file. */
function trustOnly(ca: string): (input: string, init: RequestInit) => Promise<Response> {
  const agent = new Agent({ ca, keepAlive: true });
  return (input, init) =>
    new Promise((resolve, reject) => {
      const { method = "GET", headers, body, signal } = init;
      const options = { method, agent, headers: Object.fromEntries(new Headers(headers)), signal: signal ?? undefined };
      const request = httpsRequest(input, options as object, (response) => {
        const { statusCode = 500 } = response;
        const answer = new Response(Readable.toWeb(response) as unknown as ReadableStream, {
          status: statusCode,
          headers: Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]),
        });
        resolve(answer);
      });
      request.on("error", reject);
      request.end(body as string | undefined);
    });
}
