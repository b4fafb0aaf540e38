import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";

const form = { "content-type": "application/x-www-form-urlencoded" };

describe.each(ledgerDatabases)("bodies of requests on $name", ({ open }) => {
  test("expands property names with brackets", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const put = async (body: unknown, headers = {}) => {
      const { status, body: promoter } = await server.call("PUT", "/promoters/950", body, headers);
      const { custom_fields, profile } = promoter;
      return { status, custom_fields, forms: profile && [profile.w8_form_url, profile.w9_form_url] };
    };
    const profile = { w8_form_url: "https://w8", w9_form_url: "https://w9" };
    const silver = { tier: "silver", size: "L" };
    expect(await put({ profile, custom_fields: silver })).toMatchObject({ forms: ["https://w8", "https://w9"] });
    expect(await put({ "profile[_destroy_w8form]": true })).toMatchObject({ forms: [null, "https://w9"] });
    expect(await put({ "profile[_destroy_w9form]": "True", profile: { w8_form_url: "https://new" } })).toMatchObject({
      forms: ["https://new", null],
    });
    expect(await put({ "profile[w8_form_url]": "https://w8" })).toMatchObject({ forms: ["https://w8", null] });
    const gold = { status: 200, custom_fields: { tier: "gold", size: "L" } };
    expect(await put({ "custom_fields[tier]": "gold" })).toMatchObject(gold);
    expect(await put("custom_fields[tier]=lead&custom_fields[a b]=c", form)).toMatchObject({
      custom_fields: { tier: "lead", size: "L", "a b": "c" },
    });
    expect(await put({ custom_fields: { "a[b]": 1 } })).toMatchObject({ custom_fields: { "a[b]": 1 } });
    for (const name of ["custom_fields[tier", "custom_fields[a]b", "custom_fields[[a]]"]) {
      expect({ name, ...(await put({ [name]: "x" })) }).toMatchObject({ name, status: 400 });
    }
    for (const [body, count] of [
      [{ "ids[]": [901, 902] }, 2],
      [{ ids: [901], "ids[]": 902 }, 2],
      [{ "ids[0]": 901, "ids[1]": "902" }, 2],
    ] as const) {
      const { status, body: batch } = await server.call("POST", "/promoters/archive", body);
      expect({ body, status, count: batch.processed_count }).toEqual({ body, status: 200, count });
    }
  });

  test("keeps fields for which the body has no valid value", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const before = { note: "n", custom_fields: { tier: "gold" }, profile: { first_name: "Ada" } };
    await server.call("PUT", "/promoters/950", before);
    for (const [body, status] of [
      [{ custom_fields: [] }, 200],
      [{ custom_fields: ["x"] }, 200],
      [{ custom_fields: "x" }, 200],
      [{ custom_fields: 1 }, 200],
      [{ custom_fields: false }, 200],
      [{ "custom_fields[]": "x" }, 200],
      [{ profile: [] }, 200],
      [{ profile: "x" }, 200],
      [{ note: {} }, 400],
      [{ note: [] }, 400],
      [{ profile: { first_name: {} } }, 400],
      [{ profile: { first_name: [] } }, 400],
    ] as const) {
      const answer = await server.call("PUT", "/promoters/950", body);
      expect({ body, status: answer.status }).toEqual({ body, status });
      expect((await server.call("GET", "/promoters/950")).body).toMatchObject(before);
    }
    expect((await server.call("PUT", "/promoters/950", { custom_fields: null })).body.custom_fields).toBeNull();
  });

  test("changes no promoter by an unknown find_by", async () => {
    await using database = await open();
    await using server = await start(database.url);
    for (const find_by of ["custid", "Email", "x", ["email"], { a: "email" }, 5]) {
      const answer = await server.call("PUT", "/promoters/950", { find_by, note: "wrong" });
      expect({ find_by, status: answer.status }).toEqual({ find_by, status: 404 });
      const query = encodeURIComponent(typeof find_by === "object" ? "a,b" : find_by);
      const read = await server.call("GET", `/promoters/950?find_by=${query}`);
      expect({ find_by, status: read.status, body: read.body }).toMatchObject({
        find_by,
        status: 422,
        body: { code: "invalid_params" },
      });
    }
    expect((await server.call("GET", "/promoters/950")).body.note).toBeNull();
    for (const find_by of ["id", "", null, " "]) {
      const answer = await server.call("PUT", "/promoters/950", { find_by, note: "right" });
      expect({ find_by, id: answer.body.id }).toEqual({ find_by, id: 950 });
    }
  });

  test("answers an unknown find_by value with a configured 404", async () => {
    await using database = await open();
    const notFound = { message: "Record not found", code: "not_found" };
    await using server = await start(database.url, {
      answers: JSON.stringify({ cannot_find_by: { status: 404, body: notFound } }),
    });
    expect(await server.call("GET", "/promoters/unknown?find_by=cust_id")).toMatchObject({
      status: 404,
      body: notFound,
    });
  });

  test("reads a form of any number of parameters", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const ids = Array.from({ length: 6_000 }, (_, index) => `ids[]=${index + 1}`).join("&");
    const { body } = await server.call("POST", "/promoters/restore", `${ids}&dry_run=true`, form);
    expect(body).toMatchObject({ total: 6_000, meta: { dry_run: true } });
    await server.host.batches.wait(body.id);
    expect((await server.call("GET", "/promoters/1")).body.archived_at).not.toBeNull();
  });

  test("rejects an unreadable body and changes no promoter", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const body = '{"ids":[1]}';
    const malformed = [
      "{",
      `${body}x`,
      `${body}${body}`,
      '{"ids":[1],"ids":[2]}',
      `{"ids":${"[".repeat(9_999)}`,
      "{'ids':[1]}",
    ];
    for (const text of [...malformed, `{"ids":${"[".repeat(9_999)}${"]".repeat(9_999)}}`]) {
      const { status, body } = await server.call("POST", "/promoters/restore", text);
      expect({ text, status, body }).toEqual({
        text,
        status: 400,
        body: { message: "The request body is not valid JSON", code: "invalid_params" },
      });
    }
    for (const [selection, value] of [
      ["filters", { state: "x" }],
      ["filters", "x"],
      ["filters[state]", "accepted"],
      ["selection", { select_all: true }],
      ["select_all", true],
      ["unselected_ids", [1]],
    ]) {
      const given = { ids: [1], [selection as string]: value };
      const answer = await server.call("POST", "/promoters/restore", given);
      expect({ given, status: answer.status }).toEqual({ given, status: 422 });
    }
    for (const ids of [{}, { a: 1 }, "1", 1, true, '{"0":1}', "[1]", [], [null]]) {
      const answer = await server.call("POST", "/promoters/restore", { ids });
      const untouched = answer.status === 422 || answer.body.failed_count === 1;
      expect({ ids, untouched }).toEqual({ ids, untouched: true });
    }
    expect((await server.call("GET", "/promoters/1")).body.archived_at).not.toBeNull();
  });

  test("answers a compressed body with 415 and changes nothing", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const body = '{"ids":[1]}';
    const compressed = { gzip: gzipSync(body), deflate: deflateSync(body), br: brotliCompressSync(body), GZIP: body };
    for (const [encoding, bytes] of Object.entries({ ...compressed, "identity, gzip": body })) {
      const request = new Request("http://any.example/api/v2/company/promoters/restore", {
        method: "POST",
        headers: {
          authorization: "Bearer demo-firstpromoter-key",
          "account-id": "acc_demo",
          "content-type": "application/json",
          "content-encoding": encoding,
        },
        body: bytes,
      });
      const response = await server.instance.routes.fetch(request);
      expect({ encoding, status: response.status, accepted: response.headers.get("accept-encoding") }).toEqual({
        encoding,
        status: 415,
        accepted: "identity",
      });
      expect(await response.json()).toEqual({
        message: "The request body must not be encoded (Content-Encoding)",
        code: "encoded_body",
      });
    }
    expect((await server.call("GET", "/promoters/1")).body.archived_at).not.toBeNull();
    for (const encoding of ["identity", "utf-8", ""]) {
      const answer = await server.call("POST", "/promoters/restore", body, { "content-encoding": encoding });
      expect({ encoding, status: answer.status }).toEqual({ encoding, status: 200 });
    }
  });

  test("rejects a selection on a call for a whole batch", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const { id } = await server.act("archive", { ids: [901, 902, 5_000_000] });
    for (const verb of ["undo", "retry", "stop", "resume"]) {
      for (const body of [{ ids: [901] }, { "ids[]": [901] }, { ids: [] }, { filters: { state: "x" } }]) {
        const answer = await server.call("POST", `/batch_processes/${id}/${verb}`, body);
        expect({ verb, body, status: answer.status }).toEqual({ verb, body, status: 422 });
      }
    }
    expect((await server.call("GET", "/promoters/902")).body.archived_at).not.toBeNull();
    expect((await server.call("POST", `/batch_processes/${id}/undo`)).body.processed_count).toBe(2);
  });

  test("finds no batch for a malformed filter", async () => {
    await using database = await open();
    await using server = await start(database.url, { listedBatches: "all" });
    const { id } = await server.act("restore", { ids: [1] });
    expect((await server.call("GET", "/batch_processes")).body).toHaveLength(1);
    for (const query of [
      ...["filters=x", "filters[]=x", "filters[unknown]=x", "filters[status][x]=completed", "filters[status=completed"],
      ...[
        "filters[status]=complete",
        "status=pending&filters[status]=completed",
        'filters={"status":"completed"',
        "status[x]=completed",
      ],
    ]) {
      const list = await server.call("GET", `/batch_processes?${query}`);
      const progress = await server.call("GET", `/batch_processes/progress?${query}`);
      expect({ query, list: list.body, progress: progress.body }).toEqual({ query, list: [], progress: {} });
    }
    for (const query of [
      "filters=x",
      "filters[unknown]=x",
      "filters[outcome]=x",
      "filters[outcome][]=done",
      "outcome[x]=done",
    ]) {
      const { status } = await server.call("GET", `/batch_processes/${id}/items?${query}`);
      expect({ query, status }).toEqual({ query, status: 422 });
    }
    expect((await server.call("GET", `/batch_processes/${id}/items?filters[outcome]=done`)).body.data).toHaveLength(1);
  });

  test("moves demo promoters between the two campaigns", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const campaigns = async () => {
      const { body } = await server.call("GET", "/promoters?per_page=100");
      const all = body.data.flatMap(({ promoter_campaigns }: { promoter_campaigns: { campaign_id: number }[] }) =>
        promoter_campaigns.map(({ campaign_id }) => campaign_id),
      );
      return [...new Set(all)].sort();
    };
    expect(await campaigns()).toEqual([1, 2]);
    const move = { from_campaign_id: 1, to_campaign_id: 2 };
    expect(await server.act("move_to_campaign", { ids: [950], ...move })).toMatchObject({ processed_count: 1 });
    expect((await server.call("GET", "/promoters/950")).body.promoter_campaigns).toMatchObject([{ campaign_id: 2 }]);
  });
});
