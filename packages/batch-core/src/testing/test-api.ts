import * as z from "zod";
import type { Host, HostOptions } from "../host.ts";
import { createV1Routes, type V1Options } from "../http/v1-routes.ts";
import { type AnyOperation, defineOperation } from "../operation/operation.ts";
import { createTestHost, type TestHost } from "./test-host.ts";

/** `/v1` of a new host, with calls that use an admin key. */
export interface TestApi extends AsyncDisposable {
  host: TestHost;
  secret: string;
  /** The id of the admin key. */
  actor: string;
  fetch(path: string, init?: RequestInit & { duplex?: "half" }): Promise<Response>;
  call(path: string, init?: RequestInit & { duplex?: "half" }): Promise<Answer>;
  post(body: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Creates a batch from a stream; `query` is the part after the question mark. */
  stream(query: string, body: string | AsyncIterable<Uint8Array>, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows the type of its response.
  body: any;
}

export async function createTestApi(
  options: Partial<HostOptions> & { operations: AnyOperation[]; routes?: V1Options; wrap?: (host: Host) => Host },
): Promise<TestApi> {
  const { operations, routes, wrap = (host) => host, ...hostOptions } = options;
  const host = await createTestHost(hostOptions);
  host.register(...operations);
  const { secret, key } = await host.keys.create({ vendor: "admin" });
  const v1 = createV1Routes(wrap(host), routes);
  const fetch: TestApi["fetch"] = async (path, init = {}) => {
    const headers = { authorization: `Bearer ${secret}`, ...(init.headers as Record<string, string>) };
    return v1.fetch(new Request(`http://localhost${path}`, { ...init, headers }));
  };
  const call: TestApi["call"] = async (path, init) => {
    const response = await fetch(path, init);
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  };
  return {
    host,
    secret,
    actor: key.id,
    fetch,
    call,
    post: (body, headers) =>
      call("/v1/batches", {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers },
      }),
    stream: (query, body, headers) =>
      call(`/v1/batches?${query}`, {
        method: "POST",
        body: typeof body === "string" ? body : (ReadableStream.from(body) as never),
        duplex: "half",
        headers: { "content-type": "application/x-ndjson", ...headers },
      }),
    [Symbol.asyncDispose]: () => host.close(),
  };
}

/** An operation on integers. 13 and numbers that end in 7 fail. A large batch takes several chunks. */
export const double = defineOperation({
  name: "test.rows.double",
  label: "row/double",
  item: z.int().min(1),
  columns: ["row_id"],
  params: z.strictObject({ loud: z.boolean().default(false) }),
  key: (id) => id,
  chunkSize: 100,
  inlineLimit: 3,
  apply: async ({ items }) =>
    items.map((key) =>
      key === 13 || key % 10 === 7
        ? { key, outcome: "failed", code: "no", message: `not ${key}` }
        : { key, outcome: "done" },
    ),
});

/** An operation on objects whose fields differ by channel. */
export const send = defineOperation({
  name: "test.mails.send",
  label: "mail/send",
  item: z.union([
    z.object({ channel: z.literal("mail"), to: z.string(), urgent: z.boolean().optional() }),
    z.object({ channel: z.literal("bot"), chat: z.object({ id: z.int() }), tags: z.array(z.string()).optional() }),
    z.object({ channel: z.literal("app"), chat: z.object({ id: z.string() }) }),
  ]),
  params: z.strictObject({}),
  key: (item) => JSON.stringify(item.channel === "mail" ? item.to : [item.channel, item.chat.id]),
  chunkSize: 100,
  apply: async ({ items }) =>
    items.map((item) => ({
      key: JSON.stringify(item.channel === "mail" ? item.to : [item.channel, item.chat.id]),
      outcome: "done",
    })),
});
