import assert from "node:assert/strict";
import type { Host } from "../../host.ts";
import type { NewKey } from "../../keys/keys.ts";
import type { Log } from "../../log.ts";
import type { VendorInstance } from "../../vendor/vendor.ts";
import { startVendor } from "../start-vendor.ts";
import { readContents } from "./contents.ts";
import {
  type AnyTested,
  type ContractCall,
  type ContractError,
  type ContractReply,
  listCalls,
  runDemo,
  send,
  start,
} from "./tested-vendor.ts";

function expectError({ isError }: AnyTested, kind: ContractError, reply: ContractReply, call: ContractCall): void {
  const { status, text } = reply;
  const what = `${call.method} ${call.path}`;
  assert.ok(isError(kind, reply, call), `${what}: the error ${kind} is not in the vendor's form: ${status} ${text}`);
  const mayRetry = status === 429 || status === 503;
  if (mayRetry) assert.ok(reply.headers.has("retry-after"), `${what}: the error ${kind} has no Retry-After`);
}

export async function checkErrors(tested: AnyTested, databaseUrl: string): Promise<void> {
  const { vendor, authorize } = tested;
  const [key] = vendor.demo.keys;
  assert.ok(key, "the demo has no key");
  const known = authorize(key.secret, key.account ?? "");
  {
    await using started = await start(tested, databaseUrl);
    const batch = await runDemo(tested, started);
    const before = await readContents(started.host);
    for (const secret of await makeWrongSecrets(started.host, key)) {
      const unknown = authorize(secret, key.account ?? "");
      for (const call of listCalls(tested, started, batch)) {
        expectError(tested, "unauthorized", await send(started, call, unknown), call);
      }
    }
    for (const path of vendor.paths) {
      const call = { method: "POST", path: `${path}/no-such-path/of-this-vendor`, body: {} };
      expectError(tested, "not_found", await send(started, call, known), call);
    }
    assert.equal(await readContents(started.host), before, "a call that was answered with an error changes records");
  }
  for (const [kind, admission] of [
    ["too_many_requests", { maxInFlightPerKey: 0 }],
    ["unavailable", { maxInFlight: 0 }],
  ] as const) {
    await using started = await start(tested, databaseUrl, { admission });
    for (const call of listCalls(tested, started, 1)) expectError(tested, kind, await send(started, call, known), call);
  }
  await checkFaults(tested, databaseUrl, known);
}

/** Returns secrets that open nothing here: of no key, of a revoked key and of a key to another API. */
async function makeWrongSecrets({ keys }: Host, { vendor, account = "" }: NewKey): Promise<string[]> {
  const revoked = await keys.create({ vendor, account });
  await keys.revoke(revoked.key.id);
  const foreign = await keys.create({ vendor: `not-${vendor}`, account });
  return ["no-key-of-this-vendor", revoked.secret, foreign.secret];
}

/** Text of faults that no caller may see. */
const secret = "fault-at-10.0.0.7";
const faults = {
  unavailable: () => Object.assign(new Error(`connect ECONNREFUSED ${secret}`), { code: "ECONNREFUSED" }),
  internal: () => new Error(`undefined is not a function ${secret}`),
};

/** Lets every call meet a database that is away, and then a fault of the program. */
async function checkFaults(tested: AnyTested, databaseUrl: string, known: Record<string, string>): Promise<void> {
  const { vendor, settings = {} } = tested;
  const logged: object[] = [];
  const log: Log = { error: (fields) => void logged.push(fields), warn() {}, info() {}, debug() {} };
  let kind: keyof typeof faults = "unavailable";
  const enter = () => {
    throw faults[kind]();
  };
  await using started = await startVendor<unknown, VendorInstance>(vendor, {
    host: { databaseUrl, log },
    create: (host) => {
      const faulty = { ...host, admission: { ...host.admission, enter } };
      return vendor.create(faulty, vendor.settings.parse(settings), { timeZone: "UTC" });
    },
  });
  for (kind of ["unavailable", "internal"] as const) {
    for (const call of listCalls(tested, started, 1)) {
      logged.length = 0;
      const reply = await send(started, call, known);
      expectError(tested, kind, reply, call);
      const what = `${call.method} ${call.path}`;
      assert.ok(!reply.text.includes(secret), `${what}: the reply shows the text of a fault`);
      assert.ok(JSON.stringify(logged).includes(secret), `${what}: a fault is not logged`);
    }
  }
}
