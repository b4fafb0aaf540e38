import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { describe, expect, test } from "vitest";

/** A running example. `next` resolves to its next line of output, parsed. */
interface Program extends AsyncDisposable {
  next(): Promise<Record<string, unknown>>;
  /** Resolves to the status of its end. */
  end: Promise<number | null>;
}

function start(name: string, env: Record<string, string> = {}): Program {
  const path = new URL(`${name}.ts`, import.meta.url).pathname;
  const child: ChildProcess = spawn(process.execPath, ["--no-warnings", path], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  const end = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  return {
    end,
    async next() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${name} printed nothing more`);
      return JSON.parse(value);
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      expect([name, await end]).toEqual([name, 0]);
    },
  };
}

describe("examples", () => {
  test("serve FirstPromoter's API in Hono", async () => {
    await using program = start("hono");
    const { url, key } = await program.next();
    expect(await (await fetch(`${url}/`)).text()).toBe("your own routes");
    await using client = start("client", { BASE_URL: `${url}/api/v2/company`, KEY: String(key) });
    expect(await client.next()).toEqual({ status: "completed", restored: 1 });
    expect(await client.next()).toMatchObject({ kind: "rejected", retryable: false });
    expect(await client.end).toBe(0);
  });

  test("serve Altcraft's API in Express", async () => {
    await using program = start("express");
    const { url, key: token } = await program.next();
    expect(await (await fetch(`${url}/`)).text()).toBe("your own routes");
    const identity = { db_id: 1, resource_id: 26, profile_id: "p1", channel: "email", email: "john@example.com" };
    const response = await fetch(`${url}/api/v1.1/subscriptions/undelete`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, ...identity }),
    });
    expect(await response.json()).toMatchObject({ error: 0 });
  });

  test("serve VICIdial's API on node:http", async () => {
    await using program = start("node-http");
    const { url, key } = await program.next();
    const response = await fetch(`${url}/vicidial/leads/dearchive`, {
      method: "POST",
      headers: { authorization: `Key=${key}`, "content-type": "application/json" },
      body: JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids: [1, 2] }),
    });
    expect(await response.json()).toMatchObject({ select_count: 2, insert_count: 2, delete_count: 2 });
  });

  test("run a large batch to its report", async () => {
    await using program = start("large-batch", { COUNT: "5000" });
    const { path, ...result } = await program.next();
    // The demo holds the leads 0 to 1000.
    expect(result).toEqual({ status: "completed", done: 1001, skipped: 0, failed: 3999, unknown: 0 });
    expect(existsSync(String(path))).toBe(true);
    rmSync(String(path));
    expect(await program.end).toBe(0);
  });

  test("receive a signed webhook", async () => {
    const webhookSecret = `whsec_${randomBytes(32).toString("base64")}`;
    await using receiver = start("webhook-receiver", { WEBHOOK_SECRET: webhookSecret });
    const { url } = await receiver.next();
    const host = await createHost({ databaseUrl: "sqlite::memory:" });
    const { closing } = await createFirstPromoter(host, { webhookUrl: String(url), webhookSecret });
    await host.keys.create({ vendor: "firstpromoter", account: "acc_1" });
    await host.batches.submit({ operation: "firstpromoter.promoters.restore", account: "acc_1", items: [1] });
    expect(await receiver.next()).toMatchObject({ type: "batch_process.completed", account: "acc_1" });
    const forged = { "webhook-id": "m1", "webhook-timestamp": String(Math.floor(Date.now() / 1000)) };
    const response = await fetch(String(url), { method: "POST", headers: forged, body: "{}" });
    expect(response.status).toBe(401);
    await closing?.();
    await host.close();
  });
});
