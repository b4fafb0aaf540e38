import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { start } from "../fixtures/server.ts";

test("serves any Host and header case over a socket", async () => {
  await using server = await start("sqlite::memory:");
  const http = createServer(async (incoming, outgoing) => {
    const headers = new Headers(Object.entries(incoming.headers) as [string, string][]);
    const body = await text(incoming);
    const given = new Request(`http://${incoming.headers.host}${incoming.url}`, {
      method: incoming.method!,
      headers,
      ...(body !== "" && { body }),
    });
    const answer = await server.instance.routes.fetch(given);
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;

  /** Sends the header names with their case unchanged. */
  const call = async (headers: Record<string, string>, body: string) => {
    const sent = request({
      port,
      host: "127.0.0.1",
      method: "POST",
      headers,
      path: "/api/v2/company/promoters/restore",
    });
    sent.end(body);
    const [answer] = await once(sent, "response");
    return { status: answer.statusCode, body: await text(answer) };
  };
  try {
    const bearer = "Bearer demo-firstpromoter-key";
    for (const [account, authorization, host] of [
      ["ACCOUNT-ID", "Authorization", "v2.firstpromoter.com"],
      ["Account-ID", "AUTHORIZATION", "firstpromoter.com"],
      ["Account-Id", "authorization", "localhost:1"],
      ["account-id", "Authorization", "api.firstpromoter.com"],
    ] as const) {
      const headers = {
        [account]: "acc_demo",
        [authorization]: bearer,
        Host: host,
        "Content-Type": "application/json",
      };
      const answer = await call(headers, '{"ids":["1",2]}');
      expect({ account, status: answer.status }).toEqual({ account, status: 200 });
      expect(JSON.parse(answer.body)).toMatchObject({ status: "completed", total: 2 });
    }
    const headers = { Authorization: bearer, "ACCOUNT-ID": "acc_demo" };
    expect(await call(headers, '{"ids":[1,2,3,4,5,6]}')).toMatchObject({ status: 202 });
    expect(await call({ "ACCOUNT-ID": "acc_demo" }, '{"ids":[1]}')).toEqual({ status: 401, body: "" });
  } finally {
    http.closeAllConnections();
    http.close();
    await once(http, "close");
  }
});
