import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import { until } from "@reinstate/batch-core/testing";
import { describe, expect, test } from "vitest";
import { openWorkplace, readEvents, runCommand, startCommand, startInTerminal } from "../../testing/command-line.ts";
import { startGateway } from "../../testing/gateway-process.ts";

/** The records of an upload, and the seconds for which its stream is lost afterwards. `pnpm soak` sets more of both. */
const uploadIds = Number(process.env.UPLOAD_IDS ?? 200_000);
const lostSeconds = Number(process.env.LOST_SECONDS ?? 0);

/** Ids, one per line. */
const listIds = (count: number) => {
  const parts: string[] = [];
  for (let id = 1; id <= count; id++) parts.push(`${id}\n`);
  return parts.join("");
};

/** A module that writes the peak memory of its process in kilobytes at the end. */
const reportMemory =
  "data:text/javascript,process.on('exit',()=>process._rawDebug('peak%20'+process.resourceUsage().maxRSS))";

/** Opens a gateway with demo records, and settings of a client of it. */
async function openServer(more: Record<string, string> = {}) {
  const place = openWorkplace();
  const gateway = await startGateway({ ...place.settings, LOG_LEVEL: "silent", ...more });
  const settings = { REINSTATE_KEY: "demo-admin-key" };
  const options = { settings, cwd: place.folder };
  return {
    place,
    gateway,
    settings,
    run: (...args: string[]) => runCommand([...args, "--server", gateway.baseUrl], options),
    start: (...args: string[]) => startCommand([...args, "--server", gateway.baseUrl], options),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

/** Passes bytes on to a port, and can break every connection for a time. */
async function startLine(port: number) {
  const sockets = new Set<ReturnType<typeof connect>>();
  let isBroken = false;
  const server = createServer((incoming) => {
    if (isBroken) return incoming.destroy();
    const onward = connect(port, "127.0.0.1");
    for (const socket of [incoming, onward]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    }
    incoming.pipe(onward).pipe(incoming);
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setBroken(broken: boolean) {
      isBroken = broken;
      if (broken) for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("a server", () => {
  test("does the work of restore, and of the commands on batches", async () => {
    await using server = await openServer();
    server.place.write("ids.txt", "1\n2\n1002\n");
    const args = ["restore", "firstpromoter", "--file", "ids.txt", "--account", "acc_demo"];
    const { status, err } = await server.run(...args);
    expect(status).toBe(3);
    expect(err).toContain(`at the server ${server.gateway.baseUrl}`);
    expect(err).toMatch(/2 done, 1 failed of 3 records .*; next: reinstate batches retry 1 --server http/);
    expect((await server.run("batches", "list")).out).toContain("firstpromoter.promoters.restore");
    expect((await server.run("batches", "items", "1", "--outcome", "failed")).out).toBe(
      "1002\tfailed\tnot_found\tPromoter 1002 not found\n",
    );
    expect((await server.run("batches", "retry", "1", "--no-report")).status).toBe(3);
    expect((await server.run("batches", "report", "1")).out.split("\n")).toHaveLength(5);
    const undone = JSON.parse((await server.run("batches", "undo", "1", "--json")).out);
    expect(undone).toMatchObject({ undo_of: 1, status: "stopped", total: 2 });
    expect((await server.run("batches", "resume", String(undone.id), "--no-report")).status).toBe(0);
    expect((await server.run(...args)).err).toMatch(/was run before, as batch 1/);
  });

  test("continues when the client is interrupted or killed", async () => {
    await using server = await openServer({
      REINSTATE_VICIDIAL_DEARCHIVE_HOURS: "inside 00:00-00:01 sun",
      REINSTATE_TIME_ZONE: "UTC",
    });
    const running = server.start("restore", "vicidial", "--ids", "1-5", "--json");
    await until(async () => running.output.out.includes('"waiting"'));
    expect(readEvents(running.output.out).find(({ event }) => event === "waiting")).toMatchObject({
      waiting_for: "office_hours",
      until: expect.any(String),
    });
    running.child.kill("SIGINT");
    const { status, err } = await running.ended;
    expect(status).toBe(130);
    expect(err).toMatch(/Watching has ended; batch 1 continues at http/);
    expect(err).toMatch(/reinstate batches watch 1 --server \S+, or reinstate batches stop 1/);
    const watching = server.start("batches", "watch", "1");
    await until(async () => (await server.run("batches", "show", "1")).out.includes("office hours open"));
    watching.child.kill("SIGKILL");
    await watching.ended;
    expect(JSON.parse((await server.run("batches", "show", "1", "--json")).out).status).toBe("in_progress");
    expect((await server.run("batches", "stop", "1", "--note", "tomorrow")).out).toMatch(/Status +stopped/);
    expect((await server.run("batches", "show", "1")).out).toMatch(/stopped +demo +tomorrow/);
  });

  test("is followed again after the connection was lost", async () => {
    await using server = await openServer({ REINSTATE_VICIDIAL_DEARCHIVE_HOURS: "inside 00:00-00:01 sun" });
    await using line = await startLine(Number(new URL(server.gateway.baseUrl).port));
    server.place.write("ids.txt", listIds(uploadIds));
    const args = ["restore", "vicidial", "--file", "ids.txt", "--yes", "--no-report", "--server", line.baseUrl];
    const settings = { ...server.settings, NO_COLOR: "1", NODE_OPTIONS: `--import ${reportMemory}` };
    const running = startInTerminal(args, { settings, cwd: server.place.folder });
    await until(() => running.output.out.includes("office hours"));
    line.setBroken(true);
    await until(() => running.output.out.includes("no connection ("));
    await server.run("batches", "stop", "1");
    await setTimeout(lostSeconds * 1000);
    line.setBroken(false);
    const { status, out } = await running.ended;
    expect(status).toBe(130);
    const count = uploadIds.toLocaleString("en");
    expect(out).toContain(`Batch 1 stopped: 0 done, ${count} waiting of ${count} records`);
    // A busy machine collects garbage later. The long form is for a quiet one.
    const limit = uploadIds >= 1_000_000 ? 150_000_000 : 220_000_000;
    expect(Number(/peak (\d+)/.exec(out)?.[1]) * 1024).toBeLessThan(limit);
  });
});

describe("a server that refuses", () => {
  const parts = /^reinstate: .+\n {2}why {2}.+\n {2}do {3}.+\n$/m;

  test("is explained in three parts, without the key", async () => {
    await using server = await openServer();
    const { baseUrl } = server.gateway;
    const read = await server.place.run(["keys", "create", "--vendor", "admin", "--option", "access=read"]);
    const cases: [expected: RegExp, settings: Record<string, string>, args: string[]][] = [
      [/refused the key/, { REINSTATE_KEY: "s3cret-wrong" }, ["batches", "list", "--server", baseUrl]],
      [/refused the key/, { REINSTATE_KEY: "demo-firstpromoter-key" }, ["batches", "list", "--server", baseUrl]],
      [
        /refused the call/,
        { REINSTATE_KEY: read.out.trim() },
        ["restore", "vicidial", "--ids", "1", "--server", baseUrl],
      ],
      [/cannot be reached/, { REINSTATE_KEY: "s3cret" }, ["batches", "list", "--server", "http://127.0.0.1:1"]],
      [/cannot be reached/, { REINSTATE_KEY: "s3cret" }, ["batches", "list", "--server", "http://host.invalid"]],
      [
        /no Reinstate server/,
        { REINSTATE_KEY: "s3cret" },
        ["batches", "list", "--server", `${baseUrl}/healthz?`.slice(0, -1)],
      ],
    ];
    for (const [expected, settings, args] of cases) {
      const { status, out, err } = await runCommand(args, { settings, cwd: server.place.folder });
      expect({ status, out }, err).toEqual({ status: 5, out: "" });
      expect(err).toMatch(expected);
      expect(err).toMatch(parts);
      expect(err).not.toContain(settings.REINSTATE_KEY);
      expect(err).not.toMatch(/^ +at /m);
    }
  });

  test("takes the key from a file and from standard input", async () => {
    await using server = await openServer();
    const { baseUrl } = server.gateway;
    const file = server.place.path(server.place.write("key", "demo-admin-key\n"));
    const list = ["batches", "list", "--server", baseUrl];
    expect((await runCommand(list, { settings: { REINSTATE_KEY_FILE: file } })).status).toBe(0);
    expect((await runCommand([...list, "--key-stdin"], { input: "demo-admin-key\n" })).status).toBe(0);
    expect(await runCommand(list)).toMatchObject({ status: 2, err: expect.stringMatching(/needs an admin key/) });
    const missing = await runCommand(list, { settings: { REINSTATE_KEY_FILE: `${file}.missing` } });
    expect(missing).toMatchObject({ status: 2, err: expect.stringMatching(/cannot be read/) });
    expect((await runCommand(["batches", "list", "--server", "ftp://x"])).status).toBe(2);
  });
});
