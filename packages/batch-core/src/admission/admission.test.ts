import { describe, expect, test } from "vitest";
import { readBody } from "../http/read-body.ts";
import { createTestClock } from "../testing/test-clock.ts";
import { createTestHost } from "../testing/test-host.ts";
import { isProxyAddress } from "./caller-address.ts";

const from = (remoteAddress: string) => ({ incoming: { socket: { remoteAddress } } });
const call = () => new Request("http://localhost/");

/** A call whose body arrives part by part, when the test says. */
function slowCall() {
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(streamController) {
      controller = streamController;
    },
  });
  const request = new Request("http://localhost/", { method: "POST", body, duplex: "half" } as RequestInit);
  return {
    request,
    send: (bytes: number) => controller.enqueue(new Uint8Array(bytes)),
    end: () => controller.close(),
  };
}

const readCode = async (work: Promise<unknown>) => work.then(() => "ok").catch(({ code }: { code: string }) => code);

describe("admission", () => {
  test("lets in as many calls as there are places", async () => {
    await using host = await createTestHost({ admission: { maxInFlight: 2 } });
    const { admission } = host;
    const leave = [admission.enter(call()), admission.enter(call())];
    expect(admission.isFull()).toBe(true);
    expect(() => admission.enter(call())).toThrow(
      expect.objectContaining({ code: "overloaded", retryAfterSeconds: 1 }),
    );
    leave[0]?.();
    leave[0]?.();
    expect(admission.counts()).toMatchObject({ inFlight: 1, shed: 1 });
    admission.enter(call());
    expect(admission.isFull()).toBe(true);
  });

  test("gives a key back its places", async () => {
    await using host = await createTestHost({ admission: { maxInFlightPerKey: 2 } });
    const { secret } = await host.keys.create({ vendor: "admin" });
    const enter = async () => {
      const request = call();
      const leave = host.admission.enter(request);
      await host.admission.findKey(request, "admin", secret);
      return leave;
    };
    for (let round = 0; round < 3; round++) {
      const leave = [await enter(), await enter()];
      expect(await readCode(enter())).toBe("too_many_requests");
      for (const end of leave) end();
    }
  });

  test("reports the key of a call, and whether it is full", async () => {
    await using host = await createTestHost({ admission: { maxInFlightPerKey: 2 } });
    const { admission, keys } = host;
    const { key, secret } = await keys.create({ vendor: "admin" });
    const holder = `admin ${key.id}`;
    const requests = [call(), call(), call()];
    const leave = requests.map((request) => admission.enter(request));
    expect(requests.map(admission.findHolder)).toEqual([undefined, undefined, undefined]);
    expect([admission.isHolderFull(holder, 1), admission.isHolderFull(holder, 2)]).toEqual([false, true]);
    await admission.findKey(requests[0] as Request, "admin", secret);
    await admission.findKey(requests[1] as Request, "admin", secret);
    expect(await readCode(admission.findKey(requests[2] as Request, "admin", secret))).toBe("too_many_requests");
    expect(requests.map(admission.findHolder)).toEqual([holder, holder, holder]);
    // The rejected call had no place to give back.
    leave[2]?.();
    expect(admission.isHolderFull(holder)).toBe(true);
    leave[0]?.();
    expect(admission.isHolderFull(holder)).toBe(false);
  });

  test("bounds the bytes of unknown callers and lets the largest give way", async () => {
    await using host = await createTestHost({ admission: { maxUnknownBytes: 1000 } });
    const { admission } = host;
    const large = slowCall();
    const small = slowCall();
    admission.enter(large.request);
    const leaveSmall = admission.enter(small.request);
    large.send(900);
    const readingLarge = readCode(readBody(large.request, 10_000));
    const readingSmall = readCode(readBody(small.request, 10_000));
    await expect.poll(() => admission.counts().unknownBytes).toBe(900);
    small.send(200);
    expect(await readingLarge).toBe("overloaded");
    expect(admission.counts().unknownBytes).toBe(200);
    small.end();
    expect(await readingSmall).toBe("ok");
    leaveSmall();
    expect(admission.counts().unknownBytes).toBe(0);
  });

  test.each([
    ["known", "ok"],
    ["unknown", "overloaded"],
  ])("a slow upload of an %s caller in a busy moment: %s", async (who, end) => {
    await using host = await createTestHost({ admission: { maxInFlight: 1 } });
    const { secret } = await host.keys.create({ vendor: "admin" });
    const upload = slowCall();
    host.admission.enter(upload.request);
    if (who === "known") await host.admission.findKey(upload.request, "admin", secret);
    const reading = readCode(readBody(upload.request, 10_000));
    await expect.poll(() => host.admission.counts().inFlight).toBe(0);
    host.admission.enter(call());
    upload.send(10);
    upload.end();
    expect(await reading).toBe(end);
  });

  test("does not count the bytes of known callers", async () => {
    await using host = await createTestHost({ admission: { maxUnknownBytes: 1000 } });
    const { request, send, end } = slowCall();
    host.admission.enter(request);
    host.admission.identify(request, "someone");
    send(5000);
    end();
    expect((await readBody(request, 10_000)).byteLength).toBe(5000);
  });

  test("counts wrong keys of an address for a minute", async () => {
    const clock = createTestClock();
    await using host = await createTestHost({ clock, admission: { wrongKeysPerMinute: 2 } });
    const { secret } = await host.keys.create({ vendor: "admin" });
    const find = async (address: string, key: string) => {
      const request = call();
      const leave = host.admission.enter(request, from(address));
      return (await readCode(host.admission.findKey(request, "admin", key)).finally(leave)) as string;
    };
    for (const expected of ["ok", "ok", "too_many_requests"]) expect(await find("192.0.2.1", "wrong")).toBe(expected);
    expect(await find("::ffff:192.0.2.1", "wrong")).toBe("too_many_requests");
    expect(await find("192.0.2.1", secret)).toBe("ok");
    expect(await find("192.0.2.2", "wrong")).toBe("ok");
    clock.advance(60_000);
    expect(await find("192.0.2.1", "wrong")).toBe("ok");
  });

  test("remembers a bounded number of addresses", async () => {
    await using host = await createTestHost({ admission: { wrongKeysPerMinute: 1 } });
    const wrong = (address: string) => {
      const request = call();
      const leave = host.admission.enter(request, from(address));
      try {
        host.admission.countWrongKey(request, "admin");
        return "ok";
      } catch {
        return "throttled";
      } finally {
        leave();
      }
    };
    expect(["10.0.0.1", "10.0.0.1"].map(wrong)).toEqual(["ok", "throttled"]);
    for (let index = 0; index < 10_000; index++) wrong(`10.1.${index >> 8}.${index & 255}`);
    expect(wrong("10.0.0.1")).toBe("ok");
  });
});

test("isProxyAddress takes addresses and networks", () => {
  for (const text of ["10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32"]) expect(isProxyAddress(text)).toBe(true);
  for (const text of ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/8/8", "proxy", "::1/129"]) {
    expect(isProxyAddress(text)).toBe(false);
  }
});
