import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, sep } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { packageManager: string };

/** The path of a user: without this repository's programs and without npx's own folders. */
const path = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((folder) => !folder.includes(`node_modules${sep}`))
  .join(delimiter);

let folder = "";
let launched: ChildProcess | undefined;
let output = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "reinstate-start-"));
  output = "";
});
afterEach(async () => {
  if (launched?.pid !== undefined) endGroup(launched.pid);
  rmSync(folder, { recursive: true, force: true });
});

function launch(command: string, args: string[]): ChildProcess {
  launched = spawn(command, args, {
    cwd: root,
    env: { PATH: path, HOME: process.env.HOME, PORT: "0", REINSTATE_DATA: folder },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, so that whatever the test leaves behind can be ended.
    detached: true,
  });
  for (const stream of [launched.stdout, launched.stderr]) stream?.on("data", (text) => (output += text));
  return launched;
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // The whole group has ended.
  }
}

/** Resolves when the gateway listens, with its address. */
async function listening(): Promise<string> {
  for (;;) {
    const [, url] = /listens on (http:\S+)/.exec(output) ?? [];
    if (url) return url;
    if (launched?.exitCode !== null || launched.signalCode !== null)
      throw new Error(`It ended before it listened: ${output}`);
    await wait(50);
  }
}

async function refused(url: string): Promise<void> {
  while (
    await fetch(`${url}/healthz`).then(
      (response) => response.ok,
      () => false,
    )
  )
    await wait(50);
}

describe("start", () => {
  test("serves without a build and ends with SIGTERM to npx", async () => {
    const npx = launch("npx", ["-y", packageManager, "start"]);
    const url = await listening();
    // Every process has closed its end of the output: none is left.
    const closed = once(npx, "close");
    npx.kill("SIGTERM");
    await refused(url);
    await closed;
    expect(output).toContain('"msg":"stopped"');
  });
});

describe("reinstate", () => {
  test("is the command line, with its exit status and no other output", async () => {
    const npx = launch("npx", ["-y", packageManager, "-s", "reinstate", "restore", "firstpromoter"]);
    const [status] = await once(npx, "close");
    expect(status).toBe(2);
    expect(output).toMatch(/^reinstate: /);
  });
});
