import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { scenarios } from "../fixtures/exchanges.ts";
import { start } from "../fixtures/server.ts";
import { createFirstPromoter } from "../index.ts";
import { actions } from "../operations/operations.ts";
import { batchProcess, promoter, promoterList } from "../schemas.ts";

const batchFields = [
  ...["id", "status", "total", "selected_total", "processed_count", "failed_count", "action_label"],
  ...["created_at", "updated_at", "meta", "progress", "processing_errors"],
];

function assertBatch(name: string, batch: object): void {
  expect({ name, fields: Object.keys(batch) }).toEqual({ name, fields: batchFields });
  expect({ name, error: batchProcess.strict().safeParse(batch).error }).toEqual({ name, error: undefined });
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Replaces values by the placeholders of the expected response, if they are of that kind. */
function generalised(value: unknown, expected: unknown): unknown {
  const kinds: Record<string, (value: unknown) => boolean> = {
    "<integer>": Number.isInteger,
    "<digits>": (value) => typeof value === "string" && /^\d+$/.test(value),
    "<text>": (value) => typeof value === "string" && value !== "",
    "<milliseconds>": (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(value)),
    "<seconds>": (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(String(value)),
  };
  if (typeof expected === "string" && kinds[expected]?.(value)) return expected;
  if (Array.isArray(value) && Array.isArray(expected))
    return value.map((one, index) => generalised(one, expected[index]));
  if (typeof value !== "object" || value === null || typeof expected !== "object" || expected === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, generalised(one, (expected as Record<string, unknown>)[name])]),
  );
}

describe.each(ledgerDatabases)("FirstPromoter's API on $name", ({ open }) => {
  for (const { name: scenario, options, host, exchanges } of scenarios) {
    test(`answers every documented and observed request as expected: ${scenario}`, async () => {
      await using database = await open();
      await using server = await start(database.url, options, host);
      let last = "";
      const withBatch = (given: unknown) => JSON.parse(JSON.stringify(given).replaceAll("{batch}", last));
      for (const { name, request, reply } of exchanges) {
        const { method, path, headers } = request;
        const answer = await server.call(method, withBatch(path), request.body, headers);
        const [body, named] = [withBatch(reply.body), reply.headers ?? {}];
        const shown = Object.fromEntries(Object.keys(named).map((header) => [header, answer.headers.get(header)]));
        expect({
          name,
          status: answer.status,
          body: generalised(answer.body, body),
          headers: generalised(shown, named),
        }).toEqual({ name, status: reply.status, body, headers: named });
        if (reply.body === null) expect({ name, text: answer.text }).toEqual({ name, text: "" });
        const isBatch = answer.body !== null && "action_label" in answer.body;
        if (isBatch) assertBatch(name, answer.body);
        if (method === "POST") {
          const told = answer.headers.get("x-reinstate-batch");
          const made = isBatch && !path.startsWith("/batch_processes");
          expect({ name, told }).toEqual({ name, told: made ? String(answer.body.id) : null });
        }
        if (isBatch) last = String(answer.body.id);
      }
      if (scenario !== "requests of all kinds") return;
      // Rejected calls changed nothing in either account.
      expect((await server.call("GET", "/promoters/20")).body.archived_at).not.toBeNull();
      expect((await server.call("GET", "/promoters/2001", undefined, server.other)).body.archived_at).not.toBeNull();
    });
  }

  test("returns all 12 fields of a batch for every action", async () => {
    await using database = await open();
    await using server = await start(database.url, { rateLimit: 0 });
    const { id: campaign_id } = await server.instance.store.defaultCampaign("acc_demo");
    const params = {
      campaign_id,
      from_campaign_id: campaign_id,
      to_campaign_id: campaign_id,
      parent_promoter_id: 990,
    };
    for (const name of Object.keys(actions)) {
      for (const ids of [[950], range(951, 956), [950, 2001], [...range(951, 956), null]]) {
        const answer = await server.call("POST", `/promoters/${name}`, { ids, ...params });
        const sync = ids.length <= 5;
        assertBatch(name, answer.body);
        expect({ name, ...answer }).toMatchObject({
          status: sync ? 200 : 202,
          body: {
            action_label: `promoter/${name}`,
            meta: {},
            total: ids.length,
            selected_total: ids.length,
            ...(sync ? { status: "completed", progress: 100 } : { status: "pending", progress: 0 }),
          },
        });
        if (!sync) expect(answer.body.updated_at).toBe(answer.body.created_at);
        await server.host.batches.wait(answer.body.id);
        const end = (await server.call("GET", `/batch_processes/${answer.body.id}`)).body;
        assertBatch(name, end);
        expect({ name, ...end }).toMatchObject({ status: "completed", progress: 100 });
        expect(end.processed_count + end.failed_count).toBe(ids.length);
      }
    }
  });

  test("processes 900 ids and missing ones in the background", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const strangers = [2001, 2002, 5_000_000];
    const batch = await server.act("restore", { ids: [...range(1, 900), ...strangers, null] });
    expect(batchProcess.strict().safeParse(batch).error).toBeUndefined();
    expect(batch).toMatchObject({
      status: "completed",
      total: 904,
      selected_total: 904,
      processed_count: 900,
      failed_count: 4,
      progress: 100,
      meta: {},
    });
    expect(batch.processing_errors).toEqual([
      ...strangers.map((id) => `Promoter ${id} not found`),
      "null is not a promoter id",
    ]);
    const { rows } = await sql<{ n: number }>`select count(*) as n from firstpromoter_promoters
      where account = 'acc_demo' and archived_at is not null`.execute(server.host.database.tables());
    expect(Number(rows[0]?.n)).toBe(0);
  });

  test("shows blocked while archived, then every earlier campaign state", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const states = async () => {
      const { body } = await server.call(
        "GET",
        "/promoters?ids[]=901&ids[]=902&ids[]=903&ids[]=905&filters[archived]=no",
      );
      return body.data.map(
        ({ promoter_campaigns }: { promoter_campaigns: { state: string }[] }) => promoter_campaigns[0]?.state,
      );
    };
    const before = await states();
    expect(new Set(before).size).toBeGreaterThan(1);
    const archived = await server.act("archive", { ids: [901, 902, 903, 905] });
    expect(archived).toMatchObject({ action_label: "promoter/archive", processed_count: 4 });
    const shown = (await server.call("GET", "/promoters/901")).body;
    expect(shown.archived_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(shown.promoter_campaigns[0].state).toBe("blocked");
    expect(await states()).toEqual([]);
    await server.act("restore", { ids: [901, 902, 903, 905] });
    expect(await states()).toEqual(before);
  });

  test("lists the account's batches by status, newest first", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const done = await server.act("restore", { ids: [1] });
    const more = await server.act("restore", { ids: range(2, 9) });
    await server.call("POST", "/promoters/archive", { ids: [2006] }, server.other);
    expect((await server.call("GET", "/batch_processes")).body).toEqual([]);
    for (const query of [
      "filters[status]=completed",
      "filters%5Bstatus%5D=completed",
      "filters[status][]=completed&filters[status][]=pending",
      "filters[status][0]=pending&filters[status][1]=completed",
      "filters[status]=pending,completed",
      `filters=${encodeURIComponent('{"status":["completed"]}')}`,
      `filters=${encodeURIComponent('{"status":"completed"}')}`,
      "status=completed",
      "status[]=completed",
    ]) {
      const { body } = await server.call("GET", `/batch_processes?${query}`);
      expect({ query, ids: body.map(({ id }: { id: number }) => id) }).toEqual({ query, ids: [more.id, done.id] });
      const progress = await server.call("GET", `/batch_processes/progress?${query}`);
      expect({ query, text: progress.text }).toEqual({ query, text: `{"${more.id}":100,"${done.id}":100}` });
    }
    const page = await server.call("GET", "/batch_processes?filters[status]=completed&per_page=1&page=2");
    expect(page.body).toEqual([done]);
    const theirs = await server.call("GET", "/batch_processes?filters[status]=completed", undefined, server.other);
    expect(theirs.body).toHaveLength(1);
    expect((await server.call("GET", `/batch_processes/${theirs.body[0].id}`)).status).toBe(404);
    expect((await server.call("GET", `/batch_processes/${done.id}`, undefined, server.other)).status).toBe(404);
  });

  test("lists promoters with pages, filters and sorting", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const ids = async (query: string) => {
      const { status, body } = await server.call("GET", `/promoters?${query}`);
      expect({ query, status, error: promoterList.safeParse(body).error }).toEqual({
        query,
        status: 200,
        error: undefined,
      });
      return body.data.map(({ id }: { id: number }) => id);
    };
    expect(await ids("")).toEqual(range(981, 1000).reverse());
    expect(await ids("page=2&per_page=30")).toEqual(range(941, 970).reverse());
    expect(await ids("per_page=1000")).toHaveLength(100);
    expect(await ids("page=-1&per_page=0")).toEqual([1000]);
    for (const query of [
      "filters[archived]=true",
      "filters[archived]=yes",
      "archived=true",
      "filters=%7B%22archived%22%3Atrue%7D",
    ]) {
      expect({ query, first: (await ids(query))[0] }).toEqual({ query, first: 900 });
    }
    expect(await ids("ids[]=901&ids[]=902&ids[]=1")).toEqual([902, 901]);
    expect(await ids("ids[0]=901&ids[1]=950")).toEqual([950, 901]);
    expect(await ids("ids[]=2006")).toEqual([]);
    expect(await ids("filters[state]=unheard_of")).toEqual([]);
    expect(await ids("q=ADLER.901")).toEqual([901]);
    expect(await ids("q=demo950")).toEqual([950]);
    expect(await ids("filters[revenue_amount][from]=99900")).toEqual([1000, 999]);
    expect(await ids("filters[revenue_amount][from]=99800&filters[revenue_amount][to]=99900")).toEqual([999, 998]);
    expect(await ids("sorting[revenue_amount]=asc&per_page=2")).toEqual([901, 902]);
    expect(await ids("sorting[revenue_amount]=desc&per_page=2")).toEqual([1000, 999]);
    expect(await ids("filters[joined_at][from]=2024-12-29 00:00:00")).toEqual([]);
    const pending = await ids("filters[state]=pending&per_page=100");
    expect(pending.length).toBeGreaterThan(0);
    const { body } = await server.call("GET", "/promoters");
    expect(body.meta).toEqual({ pending_count: pending.length });
    await server.call("PUT", "/promoters/950", {
      custom_fields: { tier: "Gold" },
      profile: { w8_form_url: "https://w8" },
    });
    for (const [query, found] of [
      ["filters[has_wform]=yes", [950]],
      ["filters[has_wform]=yes&filters[archived]=yes", []],
      [
        "filters[custom_field1][key]=tier&filters[custom_field1][operator]=exact&filters[custom_field1][value]=Gold",
        [950],
      ],
      [
        "filters[custom_field2][key]=tier&filters[custom_field2][operator]=partial&filters[custom_field2][value]=ol",
        [950],
      ],
      ["filters[custom_field1][key]=tier&filters[custom_field1][value]=ol", []],
      [`filters=${encodeURIComponent('{"custom_field1":{"key":"tier","value":"Gold"}}')}`, [950]],
      ["filters[fraud_suspicions][]=ad_source", []],
      ["filters[fraud_suspicions][]=no_suspicion&per_page=1", [1000]],
      ["filters[invoice_details_status]=pending&per_page=1", [1000]],
      ["filters[invoice_details_status]=rejected", []],
      ["filters[subscribed_to_email]=no", []],
      ["filters[subscribed_to_email]=yes&per_page=1", [1000]],
      ["filters[inactivity][metric]=click&filters[inactivity][days]=1&per_page=1", [1000]],
      ["filters[inactivity][metric]=click&filters[inactivity][days]=100000", []],
    ] as const) {
      expect({ query, ids: await ids(query) }).toEqual({ query, ids: found });
    }
    for (const [query, found] of [
      ["revenue_amount=asc&per_page=2", [901, 902]],
      [`sorting=${encodeURIComponent('{"revenue_amount":"desc"}')}&per_page=2`, [1000, 999]],
      ["ids=901&ids=902", [902, 901]],
      // A blank filter counts as absent.
      ...[
        "ids[]=",
        "ids=",
        "filters[campaign_id]=",
        "filters[parent_promoter_id]=",
        "filters[state]= ",
        "filters=",
      ].map((blank) => [`${blank}&per_page=1`, [1000]] as const),
      ["filters[fraud_suspicions][]=&filters[joined_at][from]=&filters[archived]=&per_page=1", [1000]],
      [`filters=${encodeURIComponent('{"state":null,"campaign_id":null,"archived":true}')}&per_page=1`, [900]],
      // An invalid value finds no promoter.
      ...["campaign_id", "parent_promoter_id", "archived", "has_wform", "subscribed_to_email", "state"].map(
        (name) => [`filters[${name}]=abc`, []] as const,
      ),
      ["filters[revenue_amount][from]=abc", []],
      ["filters[joined_at][to]=2024-02-31 00:00:00", []],
      ["filters[inactivity][days]=soon", []],
      ["ids[]=abc", []],
      ["ids[]=abc&ids[]=950", [950]],
    ] as const) {
      expect({ query, ids: await ids(query) }).toEqual({ query, ids: found });
    }
    expect(await ids("filters[state]=blocked&filters[archived]=true&per_page=3")).toEqual([900, 899, 898]);
    expect(await ids("filters[state]=accepted&filters[archived]=true")).toEqual([]);
  });

  test("applies a time filter to the displayed seconds", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const at = Date.UTC(2031, 0, 1, 10, 0, 0);
    await server.instance.store.create(
      "acc_demo",
      [-1, 0, 500, 999, 1_000].map((ms) => ({ email: `t${ms}@example.com`, joined_at: at + ms })),
      1,
    );
    const found = async (query: string) => {
      const { body } = await server.call("GET", `/promoters?sorting[joined_at]=asc&${query}`);
      return body.data.map(({ email }: { email: string }) => email.split("@")[0]);
    };
    const [from, to] = ["filters[joined_at][from]=", "filters[joined_at][to]="].map(
      (name) => `${name}${encodeURIComponent("2031-01-01 10:00:00")}`,
    );
    expect(await found(`${from}&${to}`)).toEqual(["t0", "t500", "t999"]);
    expect(await found(from!)).toEqual(["t0", "t500", "t999", "t1000"]);
    expect(await found(`filters[joined_at][from]=2031-01-01T09:59:59Z&${to}`)).toEqual(["t-1", "t0", "t500", "t999"]);
  });

  test("limits texts of a profile, and what q searches", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const create = (email: string, profile: object) => server.call("POST", "/promoters", { email, profile });
    expect(await create("a@example.com", { first_name: "x".repeat(256) })).toMatchObject({
      status: 400,
      body: {
        message: "Validation failed: Profile first name is too long (maximum is 255 characters)",
        errors: { "profile.first_name": ["is too long (maximum is 255 characters)"] },
        code: "invalid_record",
      },
    });
    expect((await create("b@example.com", { website: "x".repeat(2_049) })).status).toBe(400);
    expect((await server.call("PUT", "/promoters/950", { profile: { website: "x".repeat(2_049) } })).status).toBe(400);
    const website = `https://example.com/${"y".repeat(2_000)}z`;
    const created = await create("c@example.com", { website });
    expect(created).toMatchObject({ status: 201, body: { profile: { website } } });
    const found = async (q: string) => (await server.call("GET", `/promoters?q=${q}`)).body.data.length;
    expect([await found("yyyyyyyy"), await found("yyyz")]).toEqual([1, 0]);
  });

  test("reads parameters in every spelling of clients", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const act = async (name: string, body: unknown, headers = {}) => {
      const answer = await server.call("POST", `/promoters/${name}`, body, headers);
      return [answer.status, answer.body.processed_count];
    };
    expect(await act("restore", "ids[0]=8&ids[1]=9", form)).toEqual([200, 2]);
    expect(await act("restore", "ids=10&ids=11", form)).toEqual([200, 2]);
    expect(await act("restore", { ids: { a: 1 } })).toEqual([422, undefined]);
    const ids = [999];
    for (const drip_emails of [1, 0, "", "1", "true", null, true]) {
      expect(await act("add_to_campaign", { ids, campaign_id: 1, drip_emails })).toEqual([200, 1]);
    }
    for (const campaign_id of [" 1 ", "1", 1]) expect(await act("accept", { ids, campaign_id })).toEqual([200, 1]);
    for (const campaign_id of ["", null, 0, "0", "x", 1.5]) {
      expect(await act("accept", { ids, campaign_id })).toEqual([422, undefined]);
    }
    expect(await act("add_to_campaign", { ids, campaign_id: 1, drip_emails: "perhaps" })).toEqual([422, undefined]);
  });

  test("reports the cause of a database failure only in logs", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const db = server.host.database.tables();
    await sql`alter table firstpromoter_promoters rename to firstpromoter_promoters_away`.execute(db);
    const { id } = (await server.call("POST", "/promoters/restore", { ids: range(10, 15) })).body;
    await server.host.batches.wait(id);
    const batch = await server.call("GET", `/batch_processes/${id}`);
    const items = await server.call("GET", `/batch_processes/${id}/items`);
    expect(batch.body).toMatchObject({ status: "failed", failed_count: 6 });
    expect(batch.body.processing_errors).toEqual(range(10, 15).map((id) => `Promoter ${id} could not be changed`));
    expect(items.body.data[0]).toEqual({
      id: 10,
      outcome: "failed",
      code: "retries_exhausted",
      message: "Promoter 10 could not be changed",
    });
    const at_once = await server.call("POST", "/promoters/restore", { ids: [10] });
    expect(at_once).toMatchObject({ status: 500, body: { message: "Internal server error" } });
    for (const { text } of [batch, items, at_once]) expect(text).not.toContain("firstpromoter_promoters");
  });

  test("finds a promoter by every unique value, creates, updates", async () => {
    await using database = await open();
    await using server = await start(database.url);
    for (const path of [
      "950",
      "JONAS.jansen.999%40example.com?find_by=email",
      "cust_950?find_by=cust_id",
      "demo950?find_by=ref_token",
    ]) {
      const { status, body } = await server.call("GET", `/promoters/${path}`);
      expect({ path, status, error: promoter.safeParse(body).error }).toEqual({ path, status: 200, error: undefined });
    }
    const created = await server.call("POST", "/promoters", { email: "a@example.com", profile: { first_name: "A" } });
    expect(created).toMatchObject({ status: 201, body: { id: 2011, promoter_campaigns: [{ state: "accepted" }] } });
    const updated = await server.call("PUT", "/promoters/a@example.com", {
      find_by: "email",
      email: "b@example.com",
      profile: { last_name: "B" },
      custom_fields: { tier: "gold" },
    });
    expect(updated).toMatchObject({
      status: 200,
      body: { id: 2011, email: "b@example.com", name: "A B", custom_fields: { tier: "gold" } },
    });
    const withForms = { w8_form_url: "https://example.com/w8", w9_form_url: "https://example.com/w9" };
    const forms = async (profile: object) => {
      const { w8_form_url, w9_form_url } = (await server.call("PUT", "/promoters/2011", { profile })).body.profile;
      const found = await server.call("GET", "/promoters?filters[has_wform]=`yes`");
      return { w8_form_url, w9_form_url, found: found.body.data.map(({ id }: { id: number }) => id) };
    };
    expect(await forms(withForms)).toEqual({ ...withForms, found: [2011] });
    expect(await forms({ _destroy_w8form: true, _destroy_w9form: "0" })).toEqual({
      ...withForms,
      w8_form_url: null,
      found: [2011],
    });
    expect((await forms({ _destroy_w9form: "1" })).found).toEqual([]);
    expect(await server.call("PUT", "/promoters/unknown@example.com", { find_by: "email", note: "x" })).toMatchObject({
      status: 404,
      body: { message: "Record not found", code: "not_found" },
    });
    expect((await server.call("PUT", "/promoters/2011", { email: "ben.adler.1@example.com" })).status).toBe(400);
    expect((await server.call("PUT", "/promoters/2001", { email: "c@example.com" })).status).toBe(404);
  });

  test("changes campaigns, and names what it cannot change", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const { store } = server.instance;
    const home = await store.defaultCampaign("acc_demo");
    const theirs = await store.defaultCampaign("acc_other");
    const [away] = await sql<{ id: number }>`insert into firstpromoter_campaigns (account, name, color)
      values ('acc_demo', 'Second', '#000000') returning id`
      .execute(server.host.database.tables())
      .then(({ rows }) => rows);
    const state = async (id: number) =>
      (await server.call("GET", `/promoters/${id}`)).body.promoter_campaigns.map(
        (membership: { campaign_id: number; state: string }) => [membership.campaign_id, membership.state],
      );
    expect(await server.act("block", { ids: [999], campaign_id: home.id })).toMatchObject({
      processed_count: 1,
      action_label: "promoter/block",
    });
    expect(await state(999)).toEqual([[home.id, "blocked"]]);
    await server.act("reject", { ids: ["999"], campaign_id: String(home.id) } as never);
    expect(await state(999)).toEqual([[home.id, "rejected"]]);
    await server.act("accept", { ids: range(990, 999), campaign_id: home.id });
    expect(await state(999)).toEqual([[home.id, "accepted"]]);
    expect((await server.act("accept", { ids: [1, 999, 2001], campaign_id: home.id })).processing_errors).toEqual([
      "Promoter 1 is archived",
      "Promoter 2001 not found",
    ]);
    expect((await server.act("accept", { ids: [999], campaign_id: theirs.id })).processing_errors).toEqual([
      `Campaign ${theirs.id} not found`,
    ]);
    await server.act("add_to_campaign", { ids: [998], campaign_id: away!.id });
    expect(await state(998)).toEqual([
      [home.id, "accepted"],
      [away!.id, "accepted"],
    ]);
    const move = { from_campaign_id: home.id, to_campaign_id: away!.id };
    expect(await server.act("move_to_campaign", { ids: [997, 998], ...move })).toMatchObject({
      processed_count: 1,
      processing_errors: [`Promoter 998 is already in campaign ${away!.id}`],
    });
    expect(await state(997)).toEqual([[away!.id, "accepted"]]);
    expect(await server.act("move_to_campaign", { ids: [997], ...move })).toMatchObject({ processed_count: 1 });
    await server.act("assign_parent", { ids: [996], parent_promoter_id: 995 });
    const child = await server.call("GET", "/promoters/996?include_parent_promoter=true");
    expect(child.body.parent_promoter).toMatchObject({ id: 995 });
    expect((await server.act("assign_parent", { ids: [995], parent_promoter_id: 996 })).processing_errors).toEqual([
      "Promoter 995 cannot be below promoter 996: that would be a circle",
    ]);
    expect((await server.act("assign_parent", { ids: [995], parent_promoter_id: 2001 })).processing_errors).toEqual([
      "Parent promoter 2001 not found",
    ]);
  });

  test("applies options for undocumented behaviour", async () => {
    await using database = await open();
    await using server = await start(database.url, {
      syncLimit: "2",
      archivedState: "kept",
      hideArchived: "false",
      listedBatches: "all",
      firstStatus: "in_progress",
      answers: '{"malformed_json":{"status":422,"body":{"message":"No JSON","code":"invalid_params"}}}',
    });
    expect((await server.call("POST", "/promoters/restore", { ids: [1, 2, 3] })).body.status).toBe("in_progress");
    expect((await server.call("GET", "/promoters/8")).body.promoter_campaigns[0].state).toBe("accepted");
    expect((await server.call("GET", "/promoters?ids[]=8")).body.data).toHaveLength(1);
    for (const query of ["", "?filters[status]=", "?filters[status][]="]) {
      expect((await server.call("GET", `/batch_processes${query}`)).body).toHaveLength(1);
    }
    expect(await server.call("POST", "/promoters/restore", "{")).toMatchObject({
      status: 422,
      body: { message: "No JSON" },
    });
    await expect(createFirstPromoter(server.host, { syncLimit: "many" })).rejects.toThrow(
      "vendor firstpromoter: syncLimit: must be a whole number",
    );
  });

  test("rejects a body over the limit before reading it", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const { status, headers, body } = await server.call("POST", "/promoters/restore", {
      ids: [1],
      more: "x".repeat(1024 * 1024),
    });
    expect({ status, body }).toEqual({
      status: 413,
      body: { message: "The request body is larger than 1048576 bytes", code: "body_too_large" },
    });
    expect(headers.get("connection")).toBe("close");
    expect((await server.call("GET", "/promoters/1")).body.archived_at).not.toBeNull();
  });

  test("never answers a malformed request with 500", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const zero = "\0";
    for (const [method, path, body] of [
      ["GET", "/promoters?q=%00&filters[state]=%00&filters[campaign_id]=%00&sorting[id]=asc&sorting[joined_at]=%00"],
      ["GET", "/promoters?ids[]=99999999999999999999&filters[revenue_amount][from]=1e9&page=1e9&per_page=x"],
      [
        "GET",
        "/promoters?filters[joined_at][from]=2024-99-99 00:00:00&filters[__proto__][x]=1&__proto__[archived]=true",
      ],
      ["GET", "/promoters?page=999999999999&filters=[1]&filters[archived]=maybe"],
      ["GET", "/promoters/%00?find_by=email"],
      ["GET", "/promoters/%E0%A4%A?find_by=cust_id"],
      ["GET", "/promoters/999999999999999"],
      ["GET", "/promoters/1?find_by[]=email&find_by=nonsense"],
      ["GET", "/batch_processes?filters[status][][]=x&page=-5"],
      ["GET", "/batch_processes/999999999999999"],
      ["POST", "/promoters/restore", { ids: [[1], { id: 1 }, "9".repeat(400), 1e300, 2 ** 53, zero] }],
      ["POST", "/promoters/restore", "null"],
      ["POST", "/promoters/accept", { ids: [1], campaign_id: 2 ** 60 }],
      ["POST", "/promoters/accept", { ids: [1], campaign_id: { a: 1 } }],
      ["POST", "/promoters", { email: `${zero}@example.com` }],
      ["POST", "/promoters", { email: "z1@example.com", cust_id: zero }],
      ["POST", "/promoters", { email: "z2@example.com", cust_id: "c".repeat(5_000) }],
      ["POST", "/promoters", { email: `${"e".repeat(5_000)}@example.com` }],
      ["POST", "/promoters", { email: "z3@example.com", note: zero }],
      ["POST", "/promoters", { email: "z4@example.com", profile: { first_name: zero }, custom_fields: { a: zero } }],
      ["POST", "/promoters", { email: "z5@example.com", profile: [1], custom_fields: "x", initial_campaign_id: "x" }],
      ["POST", "/promoters", { email: ["a"], always_approve: [] }],
      ["PUT", "/promoters/950", { email: "", cust_id: {} }],
      ["PUT", "/promoters/950"],
      ["DELETE", "/promoters/950"],
    ] as [string, string, unknown?][]) {
      const { status } = await server.call(method, path, body);
      expect({ method, path, body, wrong: status >= 500 }).toEqual({ method, path, body, wrong: false });
    }
  });
});
