import { silentLog } from "@reinstate/batch-core";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { vendors } from "./all-vendors.ts";
import { readSettings } from "./config.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { demoSubscription as john } from "./testing/demo-subscription.ts";

type Flag = "dry_run" | "explain" | "consent_guard";
type Place = "none" | "query" | "json" | "twice in json" | "nested in json" | "form" | "header" | "xml";

/** A call that changes records, the call that undoes it, and the flags that it supports, by place. */
interface Call {
  method?: "PUT";
  path: string;
  vendor: "firstpromoter" | "altcraft" | "vicidial" | "v1";
  body: object | string;
  type?: string;
  /** Makes something for the call to change. */
  prepare?: { path: string; body: object };
  undo?: { path: string; body: object };
  supports?: Partial<Record<Place, Flag[]>>;
  places: Place[];
}

const headersByApi = {
  firstpromoter: { authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_demo" },
  altcraft: { authorization: "Bearer demo-altcraft-token" },
  vicidial: { authorization: "Key=demo-vicidial-key" },
  v1: { authorization: "Bearer demo-admin-key" },
};

const promoters = "/api/v2/company/promoters";
const { email: _, ...profile } = john;
const sms = { ...profile, channel: "sms", phone: "+79000000000" };
const flagged = { insert_leads: true, update_leads: true, delete_leads: true, lead_ids: [1] };
const dearchive = { operation: "vicidial.leads.dearchive", params: { insert_leads: true, delete_leads: true } };

const dryRunEverywhere: Call["supports"] = { query: ["dry_run"], json: ["dry_run"], form: ["dry_run"] };
/** Most readers reject a name that an object holds twice, whatever its values. */
const allowsRepeatedNames = ({ vendor }: Call) => vendor === "vicidial";
const ofVendors: Place[] = ["query", "json", "twice in json", "nested in json", "header"];

const calls: Call[] = [
  {
    path: `${promoters}/restore`,
    vendor: "firstpromoter",
    body: { ids: [1] },
    undo: { path: `${promoters}/archive`, body: { ids: [1] } },
    supports: dryRunEverywhere,
    places: [...ofVendors, "form"],
  },
  {
    path: `${promoters}/archive`,
    vendor: "firstpromoter",
    body: { ids: [950] },
    undo: { path: `${promoters}/restore`, body: { ids: [950] } },
    supports: dryRunEverywhere,
    places: [...ofVendors, "form"],
  },
  {
    path: `${promoters}/950`,
    method: "PUT",
    vendor: "firstpromoter",
    body: { note: "n" },
    places: [...ofVendors, "form"],
  },
  { path: promoters, vendor: "firstpromoter", body: { email: "new@example.com" }, places: [...ofVendors, "form"] },
  {
    path: "/api/v1.1/subscriptions/undelete",
    vendor: "altcraft",
    body: john,
    undo: { path: "/api/v1.1/subscriptions/delete", body: john },
    supports: { json: ["dry_run", "consent_guard"], xml: ["dry_run", "consent_guard"] },
    places: [...ofVendors, "xml"],
  },
  {
    path: "/api/v1.1/subscriptions/undelete_batch",
    vendor: "altcraft",
    body: { data: [john] },
    undo: { path: "/api/v1.1/subscriptions/delete", body: john },
    supports: { json: ["dry_run", "consent_guard"] },
    places: ofVendors,
  },
  {
    path: "/api/v1.1/subscriptions/set",
    vendor: "altcraft",
    body: { ...john, priority: 3 },
    places: [...ofVendors, "xml"],
  },
  {
    path: "/api/v1.1/subscriptions/suspend_all",
    vendor: "altcraft",
    body: { db_id: 1, channel: "sms" },
    prepare: { path: "/api/v1.1/subscriptions/undelete", body: sms },
    places: ofVendors,
  },
  ...["/vicidial/leads/dearchive", "/vicidial/lead/dearchive/customer/"].map(
    (path): Call => ({
      path,
      vendor: "vicidial",
      body: flagged,
      undo: { path: "/vicidial/leads/archive", body: flagged },
      supports: { query: ["explain"] },
      places: ofVendors,
    }),
  ),
  {
    path: "/v1/batches",
    vendor: "v1",
    body: { ...dearchive, items: [1] },
    undo: {
      path: "/v1/batches",
      body: { operation: "vicidial.leads.archive", params: { ...dearchive.params, update_leads: true }, items: [1] },
    },
    supports: { json: ["dry_run"] },
    places: ofVendors,
  },
  {
    path: `/v1/batches?operation=firstpromoter.promoters.restore&account=acc_demo`,
    vendor: "v1",
    body: "1\n",
    type: "application/x-ndjson",
    undo: {
      path: "/v1/batches",
      body: { operation: "firstpromoter.promoters.archive", account: "acc_demo", items: [1] },
    },
    supports: { query: ["dry_run"] },
    places: ["query", "header"],
  },
];

const spellings = (flag: Flag) => {
  const [first = "", ...others] = flag.split("_");
  const pascal = flag.split("_").map((word) => word[0]?.toUpperCase() + word.slice(1));
  return {
    exact: [
      flag,
      flag.toUpperCase(),
      first + pascal.slice(1).join(""),
      pascal.join(""),
      flag.replace("_", "-"),
      pascal.join("-"),
    ],
    alike: [`${flag}[]`, `${flag}[0]`, `x-${flag}`, `is_${flag}`, [first, ...others].join(".")],
  };
};
const words = [
  "true",
  "True",
  "1",
  "YES",
  "y",
  "t",
  "on",
  "",
  "false",
  "0",
  "No",
  "n",
  "f",
  "OFF",
  "maybe",
  "2",
  "null",
];
const jsonValues = [...words, true, 1, null, [true], [], { value: true }, false, 0, 2];
const isYes = (value: unknown) => typeof value !== "object" && /^(true|1|yes|y|t|on|)$/i.test(String(value));
const isNo = (value: unknown) => typeof value !== "object" && /^(false|0|no|n|f|off)$/i.test(String(value));

async function start(env: Record<string, string>) {
  const database = sqliteDatabase();
  const settings = readSettings({
    env: { REINSTATE_DEMO: "1", REINSTATE_DATABASE_URL: database.url, REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0", ...env },
    vendors,
  });
  const gateway = await createGateway(settings, vendors, silentLog);
  return {
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Every record of the three vendors that a call may change. */
async function readRecords({ host }: Gateway): Promise<string> {
  const db = host.database.tables();
  const { rows } = await sql`
    select 'promoter' as what, count(*) as many, sum(archived_at is null) as live, group_concat(note) as more
      from firstpromoter_promoters
    union all select 'membership', count(*), sum(campaign_id), group_concat(distinct state) from firstpromoter_memberships
    union all select 'subscription', count(*), sum(is_delete), group_concat(concat_ws(' ', status, priority, deleted_at)) from altcraft_subscriptions
    union all select 'live lead', count(*), sum(lead_id), '' from vicidial_demo_list
    union all select 'archived lead', count(*), sum(lead_id), '' from vicidial_demo_list_archive`.execute(db);
  return JSON.stringify(rows);
}

/** The request of a call with a flag in a place; undefined where the place cannot hold the value. */
function makeRequest(call: Call, place: Place, name: string, value: unknown): Request | undefined {
  const { method = "POST", path, vendor, body, type = "application/json" } = call;
  const url = new URL(path, "http://localhost");
  const headers: Record<string, string> = { ...headersByApi[vendor], "content-type": type };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const isWord = typeof value === "string";
  const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  const post = (content: string) => new Request(url, { method, headers, body: content });
  switch (place) {
    case "none":
      return post(text);
    case "query":
      if (!isWord) return undefined;
      url.searchParams.append(name, value);
      return post(text);
    case "json":
      return post(text.replace("{", `{${member},`));
    case "twice in json":
      return post(text.replace("{", `{${member},"dry_run":false,`));
    case "nested in json":
      return post(text.replace("{", `{"options":{${member}},`));
    case "form": {
      if (!isWord) return undefined;
      headers["content-type"] = "application/x-www-form-urlencoded";
      const form = Object.entries(body).flatMap(([key, inner]): [string, string][] =>
        Array.isArray(inner) ? inner.map((one) => [`${key}[]`, String(one)]) : [[key, String(inner)]],
      );
      return post(new URLSearchParams([...form, [name, value]]).toString());
    }
    case "header":
      if (!isWord || !/^[\w.-]+$/.test(name)) return undefined;
      headers[name] = value;
      return post(text);
    case "xml": {
      if (!isWord || !/^[\w.-]+$/.test(name)) return undefined;
      headers["content-type"] = "application/xml";
      const elements = Object.entries(body).map(([key, inner]) => `<${key}>${inner}</${key}>`);
      return post(`<xml>${elements.join("")}<${name}>${value}</${name}></xml>`);
    }
  }
}

async function send(gateway: Gateway, vendor: Call["vendor"], path: string, body: object): Promise<void> {
  const headers = { ...headersByApi[vendor], "content-type": "application/json" };
  const request = new Request(new URL(path, "http://localhost"), {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  const response = await gateway.fetch(request);
  expect(response.ok, `${path} ${await response.text()}`).toBe(true);
}

describe.each([{ extensions: "on" }, { extensions: "off" }])(
  "safety flags, extensions $extensions",
  ({ extensions }) => {
    const served = calls.filter(
      ({ path, vendor }) => extensions === "on" || (vendor === "altcraft" && !path.endsWith("_batch")),
    );

    test.each(served)("never lets $path change records unless the flag says no", { timeout: 120_000 }, async (call) => {
      await using running = await start({ REINSTATE_ALTCRAFT_EXTENSIONS: extensions });
      const { gateway } = running;
      const supports = extensions === "on" ? call.supports : {};
      const { prepare, undo } = call;
      if (prepare) await send(gateway, call.vendor, prepare.path, prepare.body);
      let before = await readRecords(gateway);
      let turn = 0;
      for (const place of call.places) {
        for (const flag of ["dry_run", "explain", "consent_guard"] as const) {
          const { exact, alike } = spellings(flag);
          const names = [...exact, ...alike];
          for (const value of jsonValues) {
            const name = names[turn++ % names.length] as string;
            const request = makeRequest(call, place, name, value);
            if (!request) continue;
            const response = await gateway.fetch(request);
            const text = await response.text();
            const after = await readRecords(gateway);
            const what = `${place} ${name}=${JSON.stringify(value)}: ${response.status} ${text.slice(0, 200)}`;
            const isSupported =
              (place !== "twice in json" || name !== "dry_run" || allowsRepeatedNames(call)) &&
              exact.includes(name) &&
              (supports?.[place === "twice in json" ? "json" : place]?.includes(flag) ?? false);
            const expected = !isSupported ? "rejected" : isNo(value) ? "real" : isYes(value) ? "unchanged" : "rejected";
            const isRejected = !response.ok || /<error>4/.test(text);
            if (expected === "real") expect(isRejected, what).toBe(false);
            else expect(after, what).toBe(before);
            if (expected === "rejected") expect(isRejected, what).toBe(true);
            if (after === before) continue;
            if (undo) await send(gateway, call.vendor, undo.path, undo.body);
            before = await readRecords(gateway);
          }
        }
      }
      // The cases above prove nothing for a call that changes nothing without a flag.
      await gateway.fetch(makeRequest(call, "none", "", "") as Request);
      expect(await readRecords(gateway)).not.toBe(before);
    });
  },
);
