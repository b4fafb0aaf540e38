import { inspect } from "node:util";
import { startVendor } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import { createFirstPromoterClient, type FirstPromoterClientOptions, VendorError, WaitTimedOut } from "./client.ts";
import { firstpromoter } from "./index.ts";

const baseUrl = "https://api.firstpromoter.com/api/v2/company";

/** Starts the real server and a client that calls it without a socket. */
async function start(apiKey = "demo-firstpromoter-key") {
  const server = await startVendor(firstpromoter);
  const client = createFirstPromoterClient({ baseUrl, apiKey, accountId: "acc_demo", fetch: server.fetch });
  return { ...server, client };
}

/** Creates a client whose server always sends this reply. */
const answering = (answer: () => Response | Promise<Response>) =>
  createFirstPromoterClient({
    baseUrl,
    apiKey: "secret-key",
    accountId: "acc_demo",
    retry: { attempts: 1 },
    fetch: async () => answer(),
  });

const thrown = async (call: Promise<unknown>): Promise<VendorError> => {
  const error = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!VendorError.is(error)) throw new Error(`no VendorError was thrown but ${String(error)}`);
  return error;
};

test("restores, archives, and follows a batch to its end", async () => {
  await using server = await start();
  const { promoters, batches } = server.client;
  expect(await promoters.restore([1, 2, 3])).toMatchObject({ status: "completed", processed_count: 3 });
  expect((await promoters.get(1)).archived_at).toBeNull();
  const accepted = await promoters.archive([1, 2, 3, 4, 5, 6, 7]);
  expect(accepted.status).toBe("pending");
  const finished = await batches.wait(accepted.id, { pollMs: 5 });
  expect(finished).toMatchObject({ status: "completed", processed_count: 7, failed_count: 0 });
  expect(await batches.get(accepted.id)).toEqual(finished);
  expect(await batches.list({ status: ["completed", "failed"], per_page: 1 })).toEqual([finished]);
  expect(await batches.progress({ status: "completed" })).toMatchObject({ [accepted.id]: 100 });
});

test("lists, finds, creates, updates, and acts in campaigns", async () => {
  await using server = await start();
  const { promoters } = server.client;
  const page = await promoters.list({ filters: { archived: true }, sorting: { joined_at: "asc" }, per_page: 3 });
  // @ts-expect-error: the vendor has no such filter.
  await promoters.list({ filters: { arhived: true } });
  expect(page.data).toHaveLength(3);
  expect(page.data.every(({ archived_at }) => archived_at !== null)).toBe(true);
  const created = await promoters.create({ email: "a b@example.com".replace(" ", "+") });
  expect((await promoters.get("a+b@example.com", { findBy: "email" })).id).toBe(created.id);
  expect((await promoters.update(created.id, { note: "seen" })).note).toBe("seen");
  const campaign = created.promoter_campaigns?.[0]?.campaign_id as number;
  await promoters.block([created.id], campaign);
  expect((await promoters.get(created.id)).promoter_campaigns?.[0]?.state).toBe("blocked");
  await promoters.assignParent([created.id], 950);
  const shown = await promoters.get(created.id, { includeParentPromoter: true, excludePayoutMethod: true });
  expect(shown.parent_promoter?.id).toBe(950);
  expect(shown).not.toHaveProperty("selected_payout_method");
});

test("throws an error with the vendor's status and code", async () => {
  await using server = await start();
  const { promoters } = server.client;
  expect(await thrown(promoters.restore([]))).toMatchObject({ kind: "rejected", status: 422, code: "invalid_params" });
  expect(await thrown(promoters.get(2001))).toMatchObject({ kind: "rejected", status: 404, code: "not_found" });
  await using stranger = await start("unknown-key");
  expect(await thrown(stranger.client.promoters.restore([1]))).toMatchObject({ kind: "rejected", status: 401 });
});

test("gives transport errors a kind, and never includes the key", async () => {
  const cases: [() => Response | Promise<Response>, Partial<VendorError>][] = [
    [
      () => new Response("", { status: 429, headers: { "retry-after": "7" } }),
      { kind: "rate_limited", retryAfterMs: 7_000 },
    ],
    [
      () => new Response("down", { status: 503, headers: { "retry-after": "1" } }),
      { kind: "unavailable", status: 503, body: "down" },
    ],
    // A router that timed out sends the same reply, while its server continues.
    [() => new Response("", { status: 503 }), { kind: "unknown_outcome", status: 503 }],
    [() => new Response("<html>", { status: 502 }), { kind: "unknown_outcome", status: 502 }],
    [() => new Response("<html>"), { kind: "bad_reply", status: 200 }],
    [() => Response.json({ id: "1", status: "completed" }), { kind: "bad_reply", body: undefined }],
    [() => new Response(null, { status: 302, headers: { location: "/" } }), { kind: "bad_reply", status: 302 }],
    [() => new Response("", { status: 404, headers: { "x-request-id": "r1" } }), { kind: "rejected", requestId: "r1" }],
    [() => Promise.reject(new Error("socket hang up")), { kind: "unknown_outcome" }],
  ];
  for (const [answer, expected] of cases) {
    const error = await thrown(answering(answer).promoters.restore([1]));
    expect(error).toMatchObject(expected);
    expect(JSON.stringify({ ...error, message: error.message, stack: error.stack })).not.toContain("secret-key");
  }
});

test("throws if the response does not arrive in time", async () => {
  const client = createFirstPromoterClient({
    baseUrl,
    apiKey: "k",
    accountId: "a",
    timeoutMs: 20,
    retry: { attempts: 1 },
    fetch: (_, init) =>
      new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason))),
  });
  expect(await thrown(client.promoters.restore([1]))).toMatchObject({ kind: "unknown_outcome" });
});

test("ends a wait at its time-out or signal", async () => {
  const batch = {
    id: 1,
    status: "in_progress",
    total: 9,
    selected_total: 9,
    processed_count: 1,
    failed_count: 0,
    action_label: "promoter/restore",
    created_at: "",
    updated_at: "",
    meta: null,
    progress: 11,
    processing_errors: [],
  };
  const { batches } = answering(() => Response.json(batch));
  const error = await batches.wait(1, { pollMs: 1, timeoutMs: 30 }).catch((error: unknown) => error);
  expect(WaitTimedOut.is(error)).toBe(true);
  expect(error).toMatchObject({ message: expect.stringContaining("Batch 1"), batch: { status: "in_progress" } });
  const looks = [
    { ...batch, status: "queued" },
    { ...batch, status: "partly_completed", progress: 100 },
  ];
  const odd = await answering(() => Response.json(looks.shift())).batches.wait(1, { pollMs: 1 });
  expect(odd).toMatchObject({ status: "partly_completed" });
  await expect(batches.wait(1, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});

test("supports idempotency keys, dry runs, items and batch control", async () => {
  await using server = await start();
  const { promoters, batches } = server.client;
  const dry = await promoters.restore([1, 5_000_000], { dryRun: true });
  expect(dry).toMatchObject({ processed_count: 1, failed_count: 1, meta: { dry_run: true } });
  expect((await promoters.get(1)).archived_at).not.toBeNull();
  const first = await promoters.archive([901, 902, 5_000_000], { idempotencyKey: "one" });
  expect(await promoters.archive([901, 902, 5_000_000], { idempotencyKey: "one" })).toEqual(first);
  const page = await batches.items(first.id, { outcome: "done", per_page: 1 });
  expect(page.data).toEqual([{ id: 901, outcome: "done", code: null, message: null }]);
  const items = [];
  for await (const item of batches.everyItem(first.id, { per_page: 2 })) items.push([item.id, item.outcome]);
  expect(items).toEqual([
    [901, "done"],
    [902, "done"],
    [5_000_000, "failed"],
  ]);
  const retried = await batches.retry(first.id);
  expect((await batches.wait(retried.id, { pollMs: 5 })).failed_count).toBe(1);
  expect(await thrown(batches.stop(first.id))).toMatchObject({ status: 409, code: "wrong_state" });
  expect(await thrown(batches.resume(first.id))).toMatchObject({ status: 409, code: "wrong_state" });
  expect(await batches.undo(first.id)).toMatchObject({ status: "completed", processed_count: 2 });
  expect((await promoters.get(901)).archived_at).toBeNull();
});

test("yields every promoter over all pages", async () => {
  await using server = await start();
  const ids: number[] = [];
  for await (const { id } of server.client.promoters.all({ filters: { archived: true }, per_page: 90 })) ids.push(id);
  expect(ids).toEqual(Array.from({ length: 900 }, (_, index) => 900 - index));
  for (const id of [1, 2, 3]) await server.client.promoters.restore([id]);
  let batches = 0;
  for await (const { status } of server.client.batches.all({ status: "completed", per_page: 2 })) {
    expect(status).toBe("completed");
    batches++;
  }
  expect(batches).toBe(3);
});

test("repeats only calls that are safe to repeat", async () => {
  const batch = {
    id: 1,
    status: "completed",
    total: 1,
    selected_total: 1,
    processed_count: 1,
    failed_count: 0,
    action_label: "promoter/restore",
    created_at: "",
    updated_at: "",
    meta: {},
    progress: 100,
    processing_errors: [],
  };
  const failures: (() => Response | Promise<Response>)[] = [
    () => Promise.reject(new Error("socket hang up")),
    () => new Response("", { status: 408 }),
    () => new Response("", { status: 429, headers: { "retry-after": "2" } }),
    () => new Response("", { status: 502 }),
    () => new Response("", { status: 503 }),
  ];
  const idempotencyKey = "k";
  type Client = ReturnType<typeof createFirstPromoterClient>;
  const calls: [string, boolean, (client: Client) => Promise<unknown>, keepsKeys?: false][] = [
    ["restore", true, ({ promoters }) => promoters.restore([1])],
    ["archive", true, ({ promoters }) => promoters.archive([1])],
    ["get", true, ({ batches }) => batches.get(1)],
    ["accept", false, ({ promoters }) => promoters.accept([1], 7)],
    ["accept with a key", true, ({ promoters }) => promoters.accept([1], 7, { idempotencyKey })],
    // FirstPromoter itself ignores the key.
    [
      "accept with a key that the server ignores",
      false,
      ({ promoters }) => promoters.accept([1], 7, { idempotencyKey }),
      false,
    ],
    ["accept, dry run", true, ({ promoters }) => promoters.accept([1], 7, { dryRun: true })],
    ["assign parent", false, ({ promoters }) => promoters.assignParent([1], 7)],
    ["undo", false, ({ batches }) => batches.undo(1)],
    ["undo with a key", true, ({ batches }) => batches.undo(1, { idempotencyKey })],
    ["retry", false, ({ batches }) => batches.retry(1)],
  ];
  for (const failure of failures) {
    for (const [name, repeated, call, keepsKeys = true] of calls) {
      const sent: (string | null)[] = [];
      const client = createFirstPromoterClient({
        baseUrl,
        apiKey: "k",
        accountId: "a",
        keepsKeys,
        retry: { sleep: async () => {} },
        fetch: async (_, init) => {
          sent.push(new Headers(init.headers).get("idempotency-key"));
          return sent.length === 1 ? failure() : Response.json(batch);
        },
      });
      const answer = await call(client).catch((error: unknown) => error);
      expect({ name, calls: sent.length }).toEqual({ name, calls: repeated ? 2 : 1 });
      expect({ name, thrown: VendorError.is(answer) }).toEqual({ name, thrown: !repeated });
      expect(new Set(sent).size).toBe(1);
    }
  }
});

test("sends a dry run to a path that the vendor lacks", async () => {
  const paths: string[] = [];
  const { promoters, batches } = createFirstPromoterClient({
    baseUrl,
    apiKey: "k",
    accountId: "a",
    fetch: async (input) => {
      paths.push(input.slice(baseUrl.length));
      return Response.json({ message: "Record not found", code: "not_found" }, { status: 404 });
    },
  });
  const dryRun = true;
  for (const call of [
    promoters.archive([1], { dryRun }),
    promoters.moveToCampaign([1], { from_campaign_id: 1, to_campaign_id: 2 }, { dryRun }),
    promoters.addToCampaign([1], { campaign_id: 1 }, { dryRun }),
    batches.undo(7, { dryRun }),
  ]) {
    expect(await thrown(call)).toMatchObject({ kind: "rejected", status: 404 });
  }
  expect(paths).toEqual([
    "/promoters/archive/dry_run",
    "/promoters/move_to_campaign/dry_run",
    "/promoters/add_to_campaign/dry_run",
    "/batch_processes/7/undo?dry_run=true",
  ]);
});

test("accepts replies that differ from the vendor's documentation", async () => {
  const foreign = {
    id: 9,
    status: "queued",
    total: 1,
    selected_total: 1,
    processed_count: 0,
    failed_count: 1,
    action_label: "payout/mark_as_paid",
    meta: null,
    progress: 0.5,
    processing_errors: [{ id: 3, error: "no" }],
  };
  expect(await answering(() => Response.json([foreign])).batches.list()).toEqual([foreign]);
  const odd = { id: 1, email: null, fraud_suspicions: null, promoter_campaigns: [{ id: 1, state: "suspended" }] };
  const page = { data: [odd, { id: 2 }], meta: {} };
  expect(await answering(() => Response.json(page)).promoters.list()).toEqual(page);
});

test("rejects invalid options without quoting a secret", () => {
  const options = { baseUrl, apiKey: "secret-key", accountId: "acc_demo" };
  for (const [wrong, named] of [
    [{ apiKey: "secret\nkey" }, "apiKey"],
    [{ apiKey: "secret-key\u200b" }, "apiKey"],
    [{ apiKey: "" }, "apiKey"],
    [{ accountId: "secret key" }, "accountId"],
    [{ baseUrl: "https://user:secret@api.example.com" }, "baseUrl"],
  ] as [Partial<FirstPromoterClientOptions>, string][]) {
    const make = () => createFirstPromoterClient({ ...options, ...wrong });
    expect(make).toThrow(TypeError);
    expect(make).toThrow(named);
    expect(make).not.toThrow("secret");
  }
});

test("keeps credentials of a reply out of errors", async () => {
  const password_setup_url = "https://login.example/set?token=CREDENTIAL";
  const { promoters } = answering(() => Response.json({ data: [{ id: "x", password_setup_url }] }));
  expect(inspect(await thrown(promoters.list()), { depth: 9 })).not.toContain("CREDENTIAL");
});

test("sends a request id, and includes it in every error", async () => {
  const ids: (string | null)[] = [];
  const client = createFirstPromoterClient({
    baseUrl,
    apiKey: "k",
    accountId: "a",
    retry: { attempts: 1 },
    fetch: async (_, init) => {
      ids.push(new Headers(init.headers).get("x-request-id"));
      if (ids.length === 1) throw new Error("socket hang up");
      return new Response("", { status: 500 });
    },
  });
  const errors = [await thrown(client.promoters.restore([1])), await thrown(client.promoters.get(1))];
  expect(errors.map(({ requestId }) => requestId)).toEqual(ids);
  expect(new Set(ids).size).toBe(2);
  expect(errors[0]?.kind).toBe("unknown_outcome");
});

test("clamps pages to 1–100, so paging does not end early", async () => {
  await using server = await start();
  const told = async (query: { per_page: number; page?: number }) => {
    let count = 0;
    for await (const _ of server.client.promoters.all({ filters: { archived: true }, ...query })) count++;
    return count;
  };
  expect(await told({ per_page: 200 })).toBe(900);
  expect(await told({ per_page: 0, page: 898 })).toBe(3);
});
