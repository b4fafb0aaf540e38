import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { until } from "@reinstate/batch-core/testing";
import { describe, expect, test } from "vitest";
import { listen } from "./listen.ts";

const here = { port: 0, host: "127.0.0.1" };

describe("listen", () => {
  test("serves every connection and closes all sockets", async () => {
    const server = createServer((_, response) => response.end("yes"));
    const { port } = await listen(server, here);
    const answers = await Promise.all(
      Array.from({ length: 200 }, async () =>
        (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } })).text(),
      ),
    );
    expect(new Set(answers)).toEqual(new Set(["yes"]));
    await new Promise((resolve) => server.close(resolve));
    const socket = connect(port, "127.0.0.1");
    const [error] = await once(socket, "error");
    expect((error as NodeJS.ErrnoException).code).toBe("ECONNREFUSED");
  });

  test("waits at its close for the answers in progress", async () => {
    const waiting: (() => void)[] = [];
    const server = createServer((_, response) => waiting.push(() => response.end("done")));
    const { port } = await listen(server, here);
    const answers = Array.from({ length: 100 }, async () => (await fetch(`http://127.0.0.1:${port}/`)).text());
    await until(() => waiting.length === 100);
    let isClosed = false;
    const closed = new Promise((resolve) => server.close(resolve)).then(() => {
      isClosed = true;
    });
    expect(isClosed).toBe(false);
    for (const end of waiting) end();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["done"]));
    server.closeIdleConnections();
    await closed;
  });

  test("rejects a port that is in use", async () => {
    const server = createServer();
    const { port } = await listen(server, here);
    await expect(listen(createServer(), { ...here, port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await new Promise((resolve) => server.close(resolve));
  });
});
