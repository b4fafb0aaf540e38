import { describe, expect, test } from "vitest";
import * as z from "zod";
import { createTestApi, double, send } from "../testing/test-api.ts";
import { createV1Routes } from "./v1-routes.ts";

const query = "operation=test.rows.double";
const guarded = {
  ...double,
  name: "test.rows.guard",
  params: z.strictObject({ consent_guard: z.boolean().optional() }),
};
/** Ignores params that it does not know. */
const loose = { ...double, name: "test.rows.loose", params: z.object({}) };
const start = () => createTestApi({ operations: [double, send, guarded, loose] });
type Api = Awaited<ReturnType<typeof start>>;

const json = (api: Api, text: string, path = "/v1/batches", headers: Record<string, string> = {}) =>
  api.call(path, { method: "POST", body: text, headers: { "content-type": "application/json", ...headers } });
const inBody = (members: string) => `{"operation":"test.rows.double","items":[1],${members}}`;
const csv = { "content-type": "text/csv" };

describe("safety flags at /v1", () => {
  test("reads dry_run in every spelling of name and value", async () => {
    await using api = await start();
    for (const members of ['"dry_run":1', '"dryRun":"yes"', '"DRY-RUN":"on"', '"DryRun":""']) {
      expect((await json(api, inBody(members))).body, members).toMatchObject({ dry_run: true });
    }
    for (const flag of ["dry_run", "dryRun=T", "Dry-Run=y", "dry_run=1&dryrun=yes"]) {
      expect((await api.stream(`${query}&${flag}`, "1\n")).body, flag).toMatchObject({ dry_run: true });
    }
    expect((await json(api, inBody('"dryRun":"off"'))).body).toMatchObject({ dry_run: false, done: 1 });
    expect((await api.stream(`${query}&dryRun=0`, "1\n")).body).toMatchObject({ dry_run: false, done: 1 });
  });

  test("reads consent_guard in params if the operation has it", async () => {
    await using api = await start();
    const body = '{"operation":"test.rows.guard","items":[1],"params":{"consentGuard":"yes"}}';
    expect((await json(api, body)).body.params).toEqual({ consent_guard: true });
    const params = encodeURIComponent('{"Consent-Guard":1}');
    const streamed = await api.stream(`operation=test.rows.guard&params=${params}`, "1\n");
    expect(streamed.body.params).toEqual({ consent_guard: true });
    const unsupported = await json(api, body.replace("guard", "loose"));
    expect(unsupported).toMatchObject({ status: 422, body: { errors: [{ path: "params.consent_guard" }] } });
    const twice = '{"operation":"test.rows.guard","items":[1],"params":{"consent_guard":true,"consent_guard":false}}';
    expect((await json(api, twice)).status).toBe(400);
  });

  test("rejects unclear values, look-alikes and wrong places and makes no batch", async () => {
    await using api = await start();
    const answers = [
      ...['"dry_run":null', '"dry_run":[true]', '"dry_run":"maybe"'],
      ...['"explain":true', '"params":{"dry_run":true}', '"dry_run[]":true', '"consent_guard":true'],
    ].map((members) => json(api, inBody(members)));
    answers.push(
      json(api, inBody('"account":""'), "/v1/batches", { "dry-run": "true" }),
      json(api, inBody('"account":""'), "/v1/batches?dryRun"),
      json(api, '{"operation":"test.mails.send","items":[{"channel":"mail","to":"a","dry_run":true}]}'),
      ...["dry_run=true&dry_run=false", "dry_run[]=true", "explain=true", "dry_run=2"].map((flag) =>
        api.stream(`${query}&${flag}`, "1\n"),
      ),
      api.stream(query, "1\n", { "x-dry-run": "true" }),
      api.stream(query, "id,dry_run\n1,true\n", csv),
      api.stream(query, "dry_run\n1\n", csv),
      api.stream("operation=test.mails.send", "channel,to,dryRun\nmail,a,true\n", csv),
      api.stream("operation=test.mails.send", '{"channel":"mail","to":"a","dry_run":true}\n'),
    );
    for (const answer of answers) expect((await answer).status, JSON.stringify((await answer).body)).toBe(422);
    expect((await json(api, inBody('"dry_run":true,"dry_run":false'))).status).toBe(400);
    expect((await api.call("/v1/batches")).body.batches).toEqual([]);
  });

  test("rejects a flag or a selection on stop, resume and retry", async () => {
    await using api = await start();
    const { body } = await api.stream(query, "7\n");
    for (const verb of ["stop", "resume", "retry"]) {
      const path = `/v1/batches/${body.id}/${verb}`;
      expect((await json(api, "", `${path}?dry_run=true`)).status).toBe(422);
      expect((await json(api, '{"dryRun":true}', path)).status).toBe(422);
      expect((await json(api, "dry_run=true", path)).status).toBe(422);
      expect((await json(api, "", path, { "dry-run": "1" })).status).toBe(422);
      for (const body of ['{"items":[7]}', '{"codes":["no"]}', "[7]", "7", "{", "code=no"]) {
        expect([body, (await json(api, body, path)).status]).toEqual([body, expect.toBeOneOf([400, 422])]);
      }
      expect((await json(api, "", `${path}?code=no`)).body.errors).toMatchObject([{ path: "query" }]);
    }
    expect((await api.call(`/v1/batches/${body.id}`)).body).toMatchObject({ generation: 0, failed: 1 });
    expect((await json(api, " {} ", `/v1/batches/${body.id}/retry`)).body).toMatchObject({ generation: 1 });
  });

  test("are checked on every route that changes something", async () => {
    await using api = await start();
    await api.stream(query, "7\n");
    const before = await api.call("/v1/batches");
    const changing = createV1Routes(api.host).routes.filter(({ method }) => !["GET", "ALL"].includes(method));
    expect(changing.length).toBeGreaterThan(0);
    for (const { method, path } of changing) {
      const call = (search: string, members: string, headers: Record<string, string> = {}) =>
        api.call(path.replace(":id", "1") + search, { method, body: `{${members}}`, headers: { ...type, ...headers } });
      const type = { "content-type": "application/json" };
      const answers = await Promise.all([
        call("", "", { "x-dry-run": "true" }),
        call("?explain=true", ""),
        call("", '"explain":true'),
        call("", '"more":{"dry_run[]":false}'),
      ]);
      for (const { status, body } of answers) {
        expect({ method, path, status, errors: body.errors }).toMatchObject({
          status: 422,
          errors: [{ path: expect.stringMatching(/dry.run|explain/), message: expect.any(String) }],
        });
      }
    }
    expect(await api.call("/v1/batches")).toEqual(before);
  });

  test("reads a body of spaces in little time", async () => {
    await using api = await start();
    await api.call("/v1/batches", { method: "POST", body: inBody('"dry_run":true') });
    const started = process.cpuUsage();
    for (const verb of ["stop", "resume", "retry"]) {
      expect((await json(api, `${" ".repeat(60_000)}{"code":"x"}`, `/v1/batches/1/${verb}`)).status).toBeGreaterThan(
        399,
      );
    }
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(1000);
  });
});
