import { ledgerDatabases } from "@reinstate/tooling/databases";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";

const encode = (name: string, value: string) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;

const isInteger = (text: string) => /^\s*-?\d{1,15}\s*$/.test(text);
const isCount = (text: string) => /^\s*\d{1,15}\s*$/.test(text);
const isFlag = (text: string) => /^\s*(true|false|yes|no|1|0)\s*$/i.test(text.replaceAll("`", ""));
const isWord =
  (...words: string[]) =>
  (text: string) =>
    words.includes(text.trim());
const isTime = (text: string) => {
  const digits =
    /^\s*(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)? ?(?:Z|UTC|[+-]\d\d:?\d\d)?)?\s*$/.exec(
      text,
    );
  if (!digits) return false;
  const [year, month, day, hour, minute, second] = digits.slice(1).map((digit) => Number(digit ?? 0));
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year!, month! - 1, day);
  const isDay = date.getUTCMonth() === month! - 1 && date.getUTCDate() === day;
  return isDay && hour! <= 24 && minute! <= 59 && second! <= 59;
};
const isText = (text: string) => !text.includes("\0");

/** The documented filters, each with the check of a valid value. */
const filters: { name: string; value: string; beside?: string; isValid(text: string): boolean }[] = [
  { name: "filters[clicks_count][from]", value: "50", isValid: isCount },
  { name: "filters[revenue_amount][to]", value: "95500", isValid: isInteger },
  { name: "filters[joined_at][from]", value: "2024-02-28 10:00:00", isValid: isTime },
  { name: "filters[last_login_at][to]", value: "2024-02-28", isValid: isTime },
  { name: "filters[archived]", value: "false", isValid: isFlag },
  {
    name: "filters[state]",
    value: "accepted",
    isValid: isWord("pending", "accepted", "rejected", "blocked", "inactive", "not_set"),
  },
  { name: "filters[campaign_id]", value: "1", isValid: (text) => text.split(",").some(isInteger) },
  { name: "filters[parent_promoter_id]", value: "950", isValid: isInteger },
  { name: "filters[has_wform]", value: "no", isValid: isFlag },
  { name: "filters[subscribed_to_email]", value: "yes", isValid: isFlag },
  {
    name: "filters[invoice_details_status]",
    value: "pending",
    isValid: isWord("approved", "pending", "rejected", "denied", "not_submitted"),
  },
  {
    name: "filters[fraud_suspicions][]",
    value: "no_suspicion",
    isValid: (text) => text.split(",").some(isWord("no_suspicion")),
  },
  {
    name: "filters[custom_field1][value]",
    value: "gold",
    beside: encode("filters[custom_field1][key]", "tier"),
    isValid: isText,
  },
  {
    name: "filters[custom_field2][operator]",
    value: "partial",
    beside: `${encode("filters[custom_field2][key]", "tier")}&${encode("filters[custom_field2][value]", "ol")}`,
    isValid: isWord("exact", "partial"),
  },
  {
    name: "filters[inactivity][days]",
    value: "30",
    beside: encode("filters[inactivity][metric]", "click"),
    isValid: (text) => isCount(text) && Number(text) > 0,
  },
  {
    name: "filters[inactivity][metric]",
    value: "sale",
    beside: encode("filters[inactivity][days]", "30"),
    isValid: isWord("referral", "customer", "click", "sale"),
  },
];

const character = fc.constantFrom(..."x5-+.e,:;[]{}\"'%_ \0\u00a0\u0660");

/** Generates a text with one character inserted, removed or replaced. */
function mutate(text: string, at: number, how: "insert" | "delete" | "replace", character: string): string {
  const place = at % (how === "insert" ? text.length + 1 : text.length);
  return `${text.slice(0, place)}${how === "delete" ? "" : character}${text.slice(place + (how === "insert" ? 0 : 1))}`;
}

/** Generates the same filter in an invalid shape. */
const shapes: ((name: string, value: string) => string)[] = [
  (name, value) => encode(`${name}[x]`, value),
  (name, value) => encode(`${name}[][x]`, value),
  (name, value) => encode(name.replace(/\[\w*\]$/, ""), value),
  (name, value) => encode(name.replace(/\[\w*\]$/, "[eq]"), value),
  (name, value) => encode(name.slice(0, -1), value),
  (name, value) => encode(`${name}]`, value),
  (name, value) => encode(`${name}[a][b][c][d][e][f]`, value),
  (name, value) => encode(name, `{"x":"${value}"}`),
  (name, value) => encode(name, `{"from":"${value}"`),
  (name, value) => `${encode(name, value)}&${encode(`${name}[x]`, value)}`,
  (name, value) => encode(name.replace("filters", "filter"), value),
  (name, value) => encode(name.replace("filters", "Filters"), value),
  (name, value) => encode("filters", `[${JSON.stringify({ [name]: value })}]`),
  (name, value) => encode("filters", JSON.stringify({ [name]: value })),
];

const misunderstood = [
  ...["state", "ids", "campaign_id", "archived", "joined_at", "inactivity", "fraud_suspicions"].flatMap((name) =>
    ["[]", "[null]"].map((value) => `filters={"${name}":${value}}`),
  ),
  ...['filters={"state":{}}', 'filters={"campaign_id":{}}', 'filters={"revenue_amount":{"from":[]}}'],
  ...["filters[state][x]=", "filters[state][]=", "filters[foo][]=", "state[]="],
  ...["filters=x", "filters=[]", "filters=null", "filters=1", "filters[]=x", "filters[][state]=accepted"],
  ...['filters={"archived":true', 'filters={"archived":true}x', 'filters={"archived":true,"archived":false}'],
  ...[
    "filters[custom_field1]=x",
    "filters[joined_at]=2024-01-01",
    "filters[revenue_amount]=5",
    "filters[inactivity]=9",
  ],
  ...[
    "joined_at=2024-01-01",
    "revenue_amount=5",
    "custom_field1=x",
    "clicks_count=ascending",
    "clicks_count=asc&clicks_count=5",
  ],
  ...[
    "filters[unknown]=x",
    "filters[__proto__][x]=1",
    "filters[constructor]=1",
    "filters[q]=ada",
    "filters[ids][]=950",
  ],
  ...["filters[revenue_amount][gte]=5", "filters[joined_at][between]=2024-01-01", "filters[revenue_amount][from][]=5"],
  ...["filters[revenue_amount][from]=9&filters[revenue_amount][to]=8", "filters[revenue_amount][from]=-5"],
  ...["filters[joined_at][from]=2024-13-01", "filters[joined_at][from]=2025-02-29", "filters[joined_at][to]=now"],
  ...[
    "filters[joined_at][from]=2024-01-01 25:00:00",
    "filters[joined_at][from]=01/02/2024",
    "filters[joined_at][from]=1700000000",
  ],
  ...["filters[revenue_amount][from]=1e3", "filters[revenue_amount][from]=5abc", "filters[revenue_amount][from]=0x5"],
  ...["filters[revenue_amount][from]=99999999999999999999", "filters[parent_promoter_id]=9007199254740991"],
  ...["filters[state][]=accepted&filters[state][]=pending", "filters[state]=accepted&filters[state]=pending"],
  ...[
    "filters[archived][]=false",
    "filters[archived]=false&filters[archived]=true",
    "archived=true&filters[archived]=false",
  ],
  ...[
    "filters[campaign_id][from]=1",
    "filters[campaign_id]=[1",
    'filters[campaign_id]={"a":1}',
    "filters[campaign_id]=[[1]]",
  ],
  ...[
    "filters[custom_field1][key]=tier",
    "filters[custom_field1][value]=gold",
    "filters[custom_field1][operator]=exact",
  ],
  ...["filters[custom_field1][key]=tier&filters[custom_field1][value]=gold&filters[custom_field1][operator]=like"],
  ...["filters[custom_field1][key][]=tier&filters[custom_field1][value]=gold"],
  ...[
    "filters[inactivity][metric]=click",
    "filters[inactivity][days]=0",
    "filters[inactivity][days]=30&filters[inactivity][metric]=login",
  ],
  ...[
    "q[]=ada",
    "q[x]=ada",
    "q=%00",
    "Q=ada",
    "search=ada",
    "email=ada@example.com",
    "id=950",
    "custId=cust_950",
    "Archived=true",
  ],
  ...["ids[x]=950", "ids[=950", "ids=[950", "ids[][id]=950", 'ids={"id":950}', "ids[]=950x"],
  ...[
    "filter[state]=accepted",
    "Filters[state]=accepted",
    "state[eq]=accepted",
    "campaignId=1",
    "promoter_id=1",
    "promoter_ids[]=1",
    "campaign=1",
    "status=accepted",
    "createdAt=2024-01-01",
    "campaign-id=1",
    "filters.state=accepted",
  ],
];

describe.each(ledgerDatabases)("filters of promoters on $name", ({ open }) => {
  async function begin() {
    const database = await open();
    const server = await start(database.url, { rateLimit: 0 });
    await server.call("PUT", "/promoters/950", { custom_fields: { tier: "gold" } });
    const find = async (query: string): Promise<number[] | "error"> => {
      const { status, body } = await server.call("GET", `/promoters?${query}`);
      expect({ query, internal: status >= 500 }).toEqual({ query, internal: false });
      return status === 200 ? body.data.map(({ id }: { id: number }) => id) : "error";
    };
    const expectNobody = async (query: string) => {
      const found = await find(query);
      expect({ query, found: found === "error" ? [] : found }).toEqual({ query, found: [] });
    };
    return {
      find,
      expectNobody,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("finds no promoter for an invalid value", async () => {
    await using promoters = await begin();
    const mutation = fc.record({
      filter: fc.constantFrom(...filters),
      at: fc.nat({ max: 100 }),
      how: fc.constantFrom("insert" as const, "delete" as const, "replace" as const),
      character,
    });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ filter, at, how, character }) => {
        const value = mutate(filter.value, at, how, character);
        fc.pre(value.trim() !== "" && !filter.isValid(value));
        await promoters.expectNobody([encode(filter.name, value), filter.beside].filter(Boolean).join("&"));
      }),
      { numRuns: 100 },
    );
  });

  test("finds no promoter for an invalid name", async () => {
    await using promoters = await begin();
    const known = new Set(filters.map(({ name }) => name));
    const mutation = fc.record({
      filter: fc.constantFrom(...filters),
      at: fc.nat({ max: 100 }),
      how: fc.constantFrom("insert" as const, "delete" as const, "replace" as const),
      character: fc.constantFrom(..."xs[]_-. "),
    });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ filter, at, how, character }) => {
        const name = mutate(filter.name, at, how, character);
        fc.pre(!known.has(name) && !known.has(`${name}[]`));
        await promoters.expectNobody([encode(name, filter.value), filter.beside].filter(Boolean).join("&"));
      }),
      { numRuns: 100 },
    );
  });

  test("finds no promoter for an invalid shape", async () => {
    await using promoters = await begin();
    for (const { name, value, beside } of filters.filter(({ name }) => !name.endsWith("[]"))) {
      for (const shape of shapes) await promoters.expectNobody([shape(name, value), beside].filter(Boolean).join("&"));
    }
  });

  test("finds no promoter for a malformed filter", async () => {
    await using promoters = await begin();
    expect(await promoters.find("")).toHaveLength(20);
    for (const query of misunderstood) await promoters.expectNobody(query);
  });

  test("finds the same promoters for each spelling of a valid filter", async () => {
    await using promoters = await begin();
    for (const { name, value, beside } of filters) {
      const found = await promoters.find([encode(name, value), beside].filter(Boolean).join("&"));
      const plain = [encode(name, value), beside]
        .filter(Boolean)
        .join("&")
        .replaceAll(/filters%5B(\w+)%5D/g, "$1");
      expect({ name, found: await promoters.find(plain) }).toEqual({ name, found });
      const rare = name.includes("parent") || name.includes("last_login");
      expect({ name, isFound: found.length > 0 }).toEqual({ name, isFound: !rare });
    }
    const deep = Array.from({ length: 50_000 }, () => "[").join("");
    await promoters.expectNobody(`filters=${encodeURIComponent(`{"state":${deep}`)}`);
  });

  test("keeps a filter next to a sorting of its name", async () => {
    await using promoters = await begin();
    const range = { from: 100, to: 200 };
    const found = await promoters.find(
      "filters[clicks_count][from]=100&filters[clicks_count][to]=200&sorting[clicks_count]=asc",
    );
    expect(found.length).toBeGreaterThan(1);
    for (const query of [
      "clicks_count[from]=100&clicks_count[to]=200&clicks_count=asc",
      "clicks_count=asc&clicks_count[from]=100&clicks_count[to]=200",
      "clicks_count[from]=100&clicks_count=asc&clicks_count[to]=200",
      `${encode("clicks_count", JSON.stringify(range))}&clicks_count=asc`,
      `clicks_count=ASC&${encode("clicks_count", JSON.stringify(range))}`,
    ]) {
      expect({ query, found: await promoters.find(query) }).toEqual({ query, found });
    }
  });

  test("ignores a parameter that the API does not have", async () => {
    await using promoters = await begin();
    const all = await promoters.find("");
    for (const query of ["_=1700000000", "utm_source=mail", "locale=en", "sorting[shoe_size]=asc", "sorting=x"]) {
      expect({ query, found: await promoters.find(query) }).toEqual({ query, found: all });
    }
  });
});
