import { setTimeout as delay } from "node:timers/promises";
import { settings } from "../context.ts";
import { unreachable, wrongUse } from "../terminal/failure.ts";
import { print } from "../terminal/output.ts";

/** The longest wait for one answer. */
const answerMs = 3000;
const retryMs = 250;

/** Asks the gateway that runs with the same settings on this machine, for containers and service managers. */
export async function checkHealth({ ready = false, wait }: { ready?: boolean; wait: string }): Promise<void> {
  if (!/^\d{1,5}$/.test(wait)) throw wrongUse("--wait must be a number of seconds", "give it as --wait 30");
  const { host, port } = settings();
  const url = `http://${toReachable(host)}:${port}${ready ? "/readyz" : "/healthz"}`;
  const deadline = performance.now() + Number(wait) * 1000;
  for (;;) {
    const fault = await ask(url);
    if (fault === undefined) return print(ready ? "ready" : "alive");
    if (performance.now() >= deadline) {
      throw unreachable(`${url} ${fault}`, "the gateway does not run, or not with these settings", "read its log");
    }
    await delay(retryMs);
  }
}

/** Returns the fault; undefined if the answer is 200. */
async function ask(url: string): Promise<string | undefined> {
  try {
    const { status, body } = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    await body?.cancel();
    return status === 200 ? undefined : `answers ${status}`;
  } catch {
    return "does not answer";
  }
}

/** A server that listens on every address is reached at that of this machine. */
function toReachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
