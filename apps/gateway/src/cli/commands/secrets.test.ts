import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { until } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import { openWorkplace, type RunOptions, startCommand } from "../../testing/command-line.ts";
import { openRowsApi, waitsForStop } from "../../testing/rows-api.ts";
import { runInProcess } from "../../testing/run-in-process.ts";

/** Returns the content of every file below a folder. */
const readFiles = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1"));

test("no secret is in an output, in a file, or among the arguments of a process", async () => {
  await using api = await openRowsApi();
  const server = createAdaptorServer({ fetch: api.fetch }) as Server;
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const secrets = {
    upstream: "canary-upstream-key",
    database: "canary-database-word",
    wrong: "canary-wrong-key",
    key: api.key,
  };
  const settings = {
    REINSTATE_FIRSTPROMOTER_UPSTREAM_URL: "http://127.0.0.1:1",
    REINSTATE_FIRSTPROMOTER_UPSTREAM_KEY: secrets.upstream,
    REINSTATE_FIRSTPROMOTER_UPSTREAM_ACCOUNT: "acc_demo",
    REINSTATE_VICIDIAL_URL: `mysql://cron:${secrets.database}@127.0.0.1:1/asterisk`,
  };
  await using place = openWorkplace(settings);
  place.write("rows.csv", `row_id\n${waitsForStop}\n`);
  const temporary = { TMPDIR: place.folder };

  // The key comes by standard input, and by the environment.
  const restore = ["restore", "test", "--server", address, "--no-report", "--again"];
  const ways: [args: string[], options: RunOptions][] = [
    [[...restore, "--file", "rows.csv", "--key-stdin"], { input: `${api.key}\n`, settings: temporary }],
    [[...restore, "--ids", String(waitsForStop)], { settings: { ...temporary, REINSTATE_KEY: api.key } }],
  ];
  const running = ways.map(([args, options]) => startCommand(args, { ...options, cwd: place.folder }));
  await until(async () => running.every(({ output }) => /^Batch \d+:/m.test(output.err)));
  // A batch is announced before it starts.
  const list = () => api.host.batches.list({ limit: 10 });
  await until(async () => (await list()).every(({ status }) => status === "in_progress"));
  const lines = running.map(({ child }) => readFileSync(`/proc/${child.pid}/cmdline`, "utf8"));
  for (const line of lines) expect(line).toContain(address);
  const texts = [...lines, ...readFiles(place.folder)];
  for (const { id } of await list()) await api.host.batches.stop(id);
  for (const { status, out, err } of await Promise.all(running.map(({ ended }) => ended))) {
    expect(status, err).toBe(130);
    texts.push(out, err);
  }

  // None of these can reach what its settings name.
  const local = [
    "config check",
    "config check --json",
    "doctor",
    "doctor --json",
    "restore firstpromoter --target upstream --ids 1 --account other --no-report",
    "batches list",
  ];
  for (const line of local) {
    const { out, err } = await runInProcess(line.split(" "), { ...place.settings, ...settings });
    texts.push(out, err);
  }
  const refused = await runInProcess(["batches", "list", "--server", address], { REINSTATE_KEY: secrets.wrong });
  expect(refused.status).toBe(5);
  texts.push(refused.out, refused.err, ...readFiles(place.folder));
  server.close();

  expect(texts.join("\n").length).toBeGreaterThan(1000);
  for (const [name, secret] of Object.entries(secrets)) {
    expect(
      texts.filter((text) => text.includes(secret)).map((text) => text.slice(0, 200)),
      name,
    ).toEqual([]);
  }
});
