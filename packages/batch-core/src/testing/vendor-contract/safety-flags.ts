import assert from "node:assert/strict";
import { readContents } from "./contents.ts";
import { type AnyTested, listCalls, runDemo, send, start } from "./tested-vendor.ts";

/**
 * Sends every call with a flag whose value is neither yes nor no: nothing may change, and a call that would change something must be
 * rejected.
 */
export async function checkSafetyFlags(tested: AnyTested, databaseUrl: string): Promise<void> {
  const { vendor, authorize, isError } = tested;
  const [key] = vendor.demo.keys;
  assert.ok(key, "the demo has no key");
  await using started = await start(tested, databaseUrl);
  const batch = await runDemo(tested, started);
  const before = await readContents(started.host);
  for (const call of listCalls(tested, started, batch)) {
    const path = `${call.path}${call.path.includes("?") ? "&" : "?"}dry_run=perhaps`;
    const reply = await send(started, { ...call, path }, authorize(key.secret, key.account ?? ""));
    // A call with a login of its own may have rejected that first.
    const isRejected = reply.status >= 400 || isError("unauthorized", reply, call);
    assert.ok(
      isRejected || call.method === "GET",
      `${call.method} ${path}: the safety flag is not rejected: ${reply.status} ${reply.text}`,
    );
  }
  assert.equal(await readContents(started.host), before, "a call with an unclear safety flag changes records");
}
