import assert from "node:assert/strict";
import { readContents } from "./contents.ts";
import { type AnyTested, listCalls, runDemo, send, start } from "./tested-vendor.ts";

export async function checkAccounts(tested: AnyTested, databaseUrl: string): Promise<void> {
  const { vendor, authorize, shown } = tested;
  const [own, other] = vendor.demo.keys;
  assert.ok(own?.account && other?.account, "a vendor with accounts has two demo keys with an account each");
  assert.notEqual(own.account, other.account, "the first two demo keys are of one account");
  assert.ok(shown, "a vendor with accounts needs `shown`");
  await using started = await start(tested, databaseUrl);
  const { hasAccount } = started.instance;
  assert.ok(hasAccount, "a vendor with accounts needs hasAccount");
  assert.deepEqual(
    [await hasAccount(own.account), await hasAccount("no-account-of-this-vendor")],
    [true, false],
    "hasAccount does not know the demo account, or knows one that is not there",
  );
  const batch = await runDemo(tested, started);
  const before = await readContents(started.host, own.account);
  const foreign = authorize(other.secret, own.account);
  const isNamed = JSON.stringify(foreign) !== JSON.stringify(authorize(other.secret, other.account));
  for (const call of listCalls(tested, started, batch)) {
    const reply = await send(started, call, authorize(other.secret, other.account));
    const what = `${call.method} ${call.path}`;
    assert.ok(reply.status < 500, `${what}: another account is answered with ${reply.status}: ${reply.text}`);
    assert.ok(!reply.text.includes(shown), `${what}: another account sees the records`);
    if (isNamed) {
      const { status } = await send(started, call, foreign);
      assert.ok(status === 401 || status === 403, `${what}: a key is let into another account: ${status}`);
    }
  }
  for (const { id } of await started.host.batches.list({ limit: 200 })) await started.host.batches.wait(id);
  assert.equal(await readContents(started.host, own.account), before, "another account changes the records");
  let times = 0;
  for (const call of listCalls(tested, started, batch)) {
    const reply = await send(started, call, authorize(own.secret, own.account));
    if (reply.text.includes(shown)) times++;
  }
  assert.ok(times > 0, `no call of the account itself shows ${JSON.stringify(shown)}`);
}
