import { describe, expect, test } from "vitest";
import { type FaultName, faults, startFaultProxy } from "./fault-proxy.ts";

const reply = JSON.stringify({ text: "0123456789".repeat(20) });

/** The result of one request through the proxy: status and length of the body, or the lack of a reply. */
async function ask(name: FaultName | undefined) {
  let effects = 0;
  const target = () => {
    effects++;
    return new Response(reply, { headers: { "content-type": "application/json" } });
  };
  await using proxy = await startFaultProxy({ target, fault: () => (name ? faults[name] : undefined), byteMs: 10_000 });
  try {
    const response = await fetch(proxy.url, { method: "POST", body: "{}", signal: AbortSignal.timeout(5_000) });
    if (name === "one byte at a time") {
      const { value } = (await response.body?.getReader().read()) ?? {};
      return { effects, status: response.status, bytes: value?.byteLength };
    }
    return { effects, status: response.status, bytes: (await response.arrayBuffer()).byteLength };
  } catch {
    return { effects, status: "none" };
  }
}

describe("fault proxy", () => {
  test("passes a request on if it has no fault", async () => {
    expect(await ask(undefined)).toEqual({ effects: 1, status: 200, bytes: reply.length });
  });

  test.each<[FaultName, object]>([
    ["429 with Retry-After", { effects: 0, status: 429, bytes: 2 }],
    ["500 before the effect", { effects: 0, status: 500 }],
    ["500 after the effect", { effects: 1, status: 500 }],
    ["HTML with 200 after the effect", { effects: 1, status: 200 }],
    ["truncated JSON", { effects: 1, status: 200, bytes: reply.length >> 1 }],
    ["reset before the effect", { effects: 0, status: "none" }],
    ["reset before the reply", { effects: 1, status: "none" }],
    ["reset within the body", { effects: 1, status: "none" }],
    ["one byte at a time", { effects: 1, status: 200, bytes: 1 }],
  ])("makes the fault: %s", async (name, expected) => {
    expect(await ask(name)).toMatchObject(expected);
  });

  test("sends more than a client should read", async () => {
    const { bytes } = (await ask("oversized JSON")) as { bytes: number };
    expect(bytes).toBeGreaterThan(30_000_000);
  });

  test("passes requests on to a URL, over TLS that has expired", async () => {
    await using behind = await startFaultProxy({ target: () => new Response("here"), fault: () => undefined });
    await using proxy = await startFaultProxy({ target: behind.url, fault: () => undefined });
    expect(await (await fetch(`${proxy.url}/path?a=b`)).text()).toBe("here");
    expect(behind.requests).toMatchObject([{ path: "/path?a=b", forwarded: true }]);
    await using expired = await startFaultProxy({ target: behind.url, fault: () => undefined, expiredTls: true });
    await expect(fetch(expired.url)).rejects.toThrow();
    expect(expired.requests).toEqual([]);
  });
});
