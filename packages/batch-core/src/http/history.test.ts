import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { createTestApi, double } from "../testing/test-api.ts";

describe.each(ledgerDatabases)("history on $name", ({ open }) => {
  test("lists who did what, when and why", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double] });
    const send = (path: string, body?: object) =>
      api.call(path, { method: "POST", ...(body && { body: JSON.stringify(body) }) });
    await api.post({ operation: double.name, items: [1, 13], note: "ticket 7" });
    expect((await send("/v1/batches/1/retry", { code: "no", note: "after the import" })).status).toBe(200);
    await api.host.batches.wait(1);
    await api.host.keys.revoke(api.actor);
    const { key, secret } = await api.host.keys.create({ vendor: "admin", name: "night shift" });
    await api.host.batches.retry(1, { actor: key.id });
    const headers = { authorization: `Bearer ${secret}` };
    await api.host.batches.wait(1);
    const { body } = await api.call("/v1/batches/1/history", { headers });
    const none = { actor: null, actor_name: null, note: null, code: null, items: null, outcome: null, batch: null };
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(body).toEqual({
      events: [
        { ...none, at, verb: "created", actor: api.actor, note: "ticket 7", generation: 0 },
        { ...none, at, verb: "completed", generation: 0 },
        {
          ...none,
          at,
          verb: "retried",
          actor: api.actor,
          note: "after the import",
          generation: 1,
          code: "no",
          items: 1,
        },
        { ...none, at, verb: "completed", generation: 1 },
        { ...none, at, verb: "retried", actor: key.id, actor_name: "night shift", generation: 2, items: 1 },
        { ...none, at, verb: "completed", generation: 2 },
      ],
    });
    expect((await api.call("/v1/batches/9/history", { headers })).status).toBe(404);
  });

  test("records a stop and a resume with their notes", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double], role: "web" });
    const items = Array.from({ length: 20 }, (_, index) => index + 1);
    await api.stream(`operation=${double.name}&note=from%20a%20file`, items.join("\n"));
    for (const [verb, body] of [
      ["stop", '{"note":"lunch"}'],
      ["resume", ""],
    ] as const) {
      expect((await api.call(`/v1/batches/1/${verb}`, { method: "POST", body })).status).toBe(200);
    }
    const { events } = (await api.call("/v1/batches/1/history")).body;
    expect(events.map(({ verb, note, actor }: Record<string, string>) => [verb, note, actor])).toEqual([
      ["created", "from a file", api.actor],
      ["stopped", "lunch", api.actor],
      ["resumed", null, api.actor],
    ]);
  });

  test.each([
    ["{", 400, "not valid JSON"],
    ['{"note":""}', 422, "note: must not be blank"],
    ['{"note":" \\n"}', 422, "note: must not be blank"],
    ['{"note":7}', 422, "note"],
    ['{"note":"\\u0000"}', 422, "note: must not contain a NUL character"],
    [JSON.stringify({ note: "x".repeat(1001) }), 422, "note: must have at most 1000 characters"],
    ['{"items":[1]}', 422, "items"],
    ['{"dry_run":true}', 422, "dry_run"],
  ])("rejects the body %s and changes nothing", async (body, status, detail) => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double], role: "web" });
    await api.post({ operation: double.name, items: Array.from({ length: 20 }, (_, index) => index + 1) });
    for (const verb of ["stop", "resume", "retry"]) {
      const rejected = await api.call(`/v1/batches/1/${verb}`, { method: "POST", body });
      expect(rejected).toMatchObject({ status, body: { detail: expect.stringContaining(detail) } });
    }
    await expect(api.host.batches.stop(1, { note: "\0" })).rejects.toMatchObject({ code: "invalid_request" });
    expect((await api.host.batches.history(1)).map(({ verb }) => verb)).toEqual(["created"]);
  });
});
