import { createServer, request as sendRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { createTestHost, until } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { openWorkplace, type RunningCommand } from "../../testing/command-line.ts";
import { startGateway } from "../../testing/gateway-process.ts";

/** The rounds of each signal on each database. More with `KILLS`, as in the other tests of kills. */
const rounds = Number(process.env.KILLS ?? 1);
let kills = 0;

/** Sends calls on to a server, and delays the answers. */
async function startSlowVendor(target: string, firstDelayMs: number) {
  let delayMs = firstDelayMs;
  const server = createServer((incoming, outgoing) => {
    const { method, headers, url } = incoming;
    const onward = sendRequest(new URL(url ?? "/", target), { method, headers }, (answer) => {
      setTimeout(() => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      }, delayMs);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answerAtOnce() {
      delayMs = 0;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const accepted = async ({ output }: RunningCommand) => until(async () => /Batch \d+: [\d,]+ record/.test(output.err));

/** Opens a workplace whose upstream is a second gateway that answers slowly. */
async function openSlowWorkplace(delayMs: number) {
  const vendorPlace = openWorkplace();
  const vendor = await startGateway({ ...vendorPlace.settings, LOG_LEVEL: "silent" });
  const slow = await startSlowVendor(vendor.baseUrl, delayMs);
  const place = openWorkplace({
    REINSTATE_FIRSTPROMOTER_UPSTREAM_URL: `${slow.baseUrl}/api/v2/company`,
    REINSTATE_FIRSTPROMOTER_UPSTREAM_KEY: "demo-firstpromoter-key",
    REINSTATE_FIRSTPROMOTER_UPSTREAM_ACCOUNT: "acc_demo",
  });
  return Object.assign(place, {
    answerAtOnce: slow.answerAtOnce,
    [Symbol.asyncDispose]: async () => {
      await slow[Symbol.asyncDispose]();
      await vendor[Symbol.asyncDispose]();
      await vendorPlace[Symbol.asyncDispose]();
    },
  });
}

const upstream = ["restore", "firstpromoter", "--target", "upstream", "--account", "acc_demo", "--ids", "1-900"];

describe("an interrupt", () => {
  test("finishes the chunk, prints how to resume, and ends with 130", async () => {
    await using place = await openSlowWorkplace(500);
    const running = place.start([...upstream, "--no-report"]);
    await accepted(running);
    await until(async () => (await place.run(["batches", "show", "1", "--json"])).out.includes('"in_progress"'));
    const sentAt = performance.now();
    running.child.kill("SIGINT");
    const { status, err } = await running.ended;
    expect(status).toBe(130);
    expect(performance.now() - sentAt).toBeLessThan(20_000);
    expect(err).toMatch(/^Stopping batch 1/m);
    expect(err).toMatch(/reinstate batches resume 1\n$/);
    place.answerAtOnce();
    const resumed = await place.run(["batches", "resume", "1", "--no-report"]);
    expect(resumed.err).toMatch(/Batch 1 completed: 900 done of 900 records/);
    expect(resumed.status).toBe(0);
  });

  test("ends at once the second time", async () => {
    await using place = await openSlowWorkplace(30_000);
    const running = place.start([...upstream, "--no-report"]);
    await accepted(running);
    running.child.kill("SIGINT");
    await until(async () => running.output.err.includes("Stopping batch 1"));
    running.child.kill("SIGINT");
    const { status, err } = await running.ended;
    expect(status).toBe(130);
    expect(err).toMatch(/Ended at once\. reinstate batches resume 1 continues batch 1\n$/);
  });

  test("ends while a vendor does not answer", async () => {
    await using place = await openSlowWorkplace(600_000);
    const running = place.start([...upstream, "--no-report"]);
    await accepted(running);
    running.child.kill("SIGINT");
    const { status, err } = await running.ended;
    expect(status).toBe(130);
    expect(err).toMatch(/reinstate batches resume 1/);
  });
});

describe.each(ledgerDatabases)("kills on $name", ({ open }) => {
  test.each(["SIGINT", "SIGKILL"] as const)("%s at any moment loses and doubles nothing", async (signal) => {
    for (let round = 0; round < rounds; round++) {
      await using database = await open();
      await using place = openWorkplace({ REINSTATE_DATABASE_URL: database.url });
      const args = ["restore", "vicidial", "--ids", "1-30000", "--yes", "--no-report"];
      const running = place.start(args);
      await Promise.race([accepted(running), running.ended]);
      // A moment that differs from kill to kill, within the run.
      await new Promise((resolve) => setTimeout(resolve, (kills++ * 170) % 600));
      running.child.kill(signal);
      const { status } = await running.ended;
      expect([130, 3, null]).toContain(status);
      const again = await place.run(args);
      expect(again).toMatchObject({ status: 2, err: expect.stringContaining("was run before, as batch 1") });
      const resume = /reinstate (batches resume 1) continues/.exec(again.err)?.[1];
      if (resume !== undefined) await place.run([...resume.split(" "), "--no-report"]);
      await using host = await createTestHost({ databaseUrl: database.url });
      expect(await host.batches.get(1)).toMatchObject({
        status: "completed",
        counts: { done: 1000, failed: 29_000, unknown: 0 },
      });
    }
  });
});
