import { vi } from "vitest";
import { runProgram } from "../run-program.ts";
import type { Run } from "./command-line.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a command of the command line in this process, which takes milliseconds. One at a time, and not for commands that wait for a
 * signal or end the process themselves.
 */
export async function runInProcess(args: readonly string[], settings: Record<string, string> = {}): Promise<Run> {
  const output = { out: "", err: "" };
  const write = (name: "out" | "err") => (text: unknown) => {
    output[name] += typeof text === "string" ? text : Buffer.from(text as Uint8Array).toString();
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(write("out")),
    // The library of the completion scripts prints by the console.
    vi.spyOn(console, "log").mockImplementation((text) => void write("out")(`${text}\n`)),
    vi.spyOn(process.stderr, "write").mockImplementation(write("err")),
  ];
  const listening = new Map(signals.map((signal) => [signal, process.listeners(signal)]));
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value);
  process.exitCode = undefined;
  try {
    await runProgram(args);
    return { status: Number(process.exitCode ?? 0), ...output };
  } finally {
    process.exitCode = undefined;
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
    for (const [signal, before] of listening) {
      for (const listener of process.listeners(signal)) {
        if (!before.includes(listener)) process.removeListener(signal, listener);
      }
    }
  }
}
