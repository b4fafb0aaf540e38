import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleProgram } from "@reinstate/tooling/bundle";
import { copySwaggerUi } from "@reinstate/tooling/swagger-ui";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
/** As the command's first line has it. */
const nodeOptions = readFileSync(main, "utf8").split("\n", 1)[0]?.split(" ").slice(3) ?? [];
const program = await bundleProgram(main);
// As the build does.
if (program !== main) copySwaggerUi(dirname(dirname(main)), join(dirname(program), "swagger-ui"));

/** The command, as a program and its first arguments. */
export const programCommand: readonly string[] = [process.execPath, ...nodeOptions, program];

/** A folder that vanishes with its `await using` block. */
export function temporaryFolder(): { path: string } & AsyncDisposable {
  const path = mkdtempSync(join(tmpdir(), "reinstate-gateway-"));
  return { path, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) };
}

/** The environment of a gateway under test: nothing of ours but what the test says. */
export function environment(settings: Record<string, string>): Record<string, string> {
  const { PATH = "", HOME = "", NODE_COMPILE_CACHE = "" } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE, ...settings };
}

export interface GatewayProcess extends AsyncDisposable {
  /** Empty where it works on batches alone. */
  baseUrl: string;
  child: ChildProcess;
  /** What it has written so far. */
  output(): { out: string; err: string };
  /** Sends a signal and resolves with the exit status, or with null where the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** The real command in a process of its own, listening or at work. */
export const startGateway = (settings: Record<string, string>, args = ["serve"]): Promise<GatewayProcess> =>
  startListening([program, ...args], settings);

/** The gateway with one vendor more, in a process of its own; see `shelf.ts`. */
export const startShelfGateway = async (settings: Record<string, string>): Promise<GatewayProcess> =>
  startListening([await bundleProgram(fileURLToPath(new URL("shelf-gateway.test.fixture.ts", import.meta.url)))], {
    REINSTATE_DEMO: "true",
    LOG_LEVEL: "warn",
    ...settings,
  });

/** Returns what a process has written so far. Its texts grow while it runs. */
export function collectOutput({ stdout, stderr }: ChildProcess): { out: string; err: string } {
  const output = { out: "", err: "" };
  stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.out += text;
  });
  stderr?.setEncoding("utf8").on("data", (text: string) => {
    output.err += text;
  });
  return output;
}

async function startListening(command: string[], settings: Record<string, string>): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [...nodeOptions, ...command], {
    env: environment({ PORT: "0", ...settings }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = collectOutput(child);
  const exited = once(child, "exit") as Promise<[number | null]>;
  const baseUrl = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", () => {
      const url = /listens on (http:\S+)|does not listen/.exec(output.out);
      if (url) resolve(url[1] ?? "");
    });
    exited.then(([status]) => reject(new Error(`The gateway ended with ${status}: ${output.err}`)));
  });
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return (await exited)[0];
  };
  return {
    baseUrl,
    child,
    output: () => output,
    end,
    [Symbol.asyncDispose]: async () => void (await end("SIGKILL")),
  };
}

/** Runs a command of the command line to its end. */
export async function run(
  args: string[],
  settings: Record<string, string> = {},
  cwd?: string,
): Promise<{ status: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [...nodeOptions, program, ...args], {
    env: environment(settings),
    stdio: ["ignore", "pipe", "pipe"],
    cwd,
  });
  const output = collectOutput(child);
  const [status] = (await once(child, "close")) as [number | null];
  return { status, ...output };
}
