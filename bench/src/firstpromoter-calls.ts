/** A call of FirstPromoter's API on a table of `size` promoters from `fillTables`. */
export interface Call {
  name: string;
  sparse?: true;
  path(size: number, turn: number): string;
  method?: string;
  body?(size: number, turn: number): unknown;
  /** An unmeasured call before each measured one. */
  before?: Call;
}

const list = (name: string, query = name): Call => ({ name: `list ${name}`, path: () => `/promoters?${query}` });

const sortings = ["clicks_count", "referrals_count", "customers_count", "revenue_amount", "joined_at"].flatMap((by) =>
  ["asc", "desc"].map((direction) => `sorting[${by}]=${direction}`),
);

/** Filters that match thirty promoters. */
const rare = [
  "filters[invoice_details_status]=rejected",
  "filters[subscribed_to_email]=no",
  "filters[fraud_suspicions][]=ad_source",
  "filters[has_wform]=yes",
  "filters[parent_promoter_id]=2",
  "filters[campaign_id]=3",
  "filters[campaign_id]=3&filters[state]=blocked",
  "filters[last_login_at][to]=2000-01-01 00:00:00",
  "filters[custom_field1][key]=tier&filters[custom_field1][operator]=exact&filters[custom_field1][value]=rarest",
  "filters[custom_field1][key]=tier&filters[custom_field1][operator]=partial&filters[custom_field1][value]=rares",
  "q=rarebird",
];

/** Filters that match no promoter. */
const none = [
  "filters[invoice_details_status]=approved",
  "filters[fraud_suspicions][]=same_ip_suspicion",
  "filters[parent_promoter_id]=4000000",
  "filters[campaign_id]=4000000",
  "filters[state]=rejected",
  "filters[state]=pending",
  "filters[campaign_id]=1&filters[state]=rejected",
  "filters[clicks_count][from]=1000",
  "filters[referrals_count][from]=500",
  "filters[customers_count][from]=300",
  "filters[revenue_amount][from]=100000",
  "filters[joined_at][to]=2001-01-01 00:00:00",
  "filters[last_login_at][from]=2040-01-01 00:00:00",
  "filters[custom_field1][key]=tier&filters[custom_field1][operator]=exact&filters[custom_field1][value]=bronze",
  "filters[custom_field1][key]=tier&filters[custom_field1][operator]=partial&filters[custom_field1][value]=ronz",
  "filters[custom_field1][key]=rank&filters[custom_field1][operator]=exact&filters[custom_field1][value]=7",
  "q=unknown@nowhere.example",
  "q=zq",
  "q=~",
];

/** Filters that match most promoters. */
const common = [
  "filters[invoice_details_status]=pending",
  "filters[subscribed_to_email]=yes",
  "filters[fraud_suspicions][]=no_suspicion",
  "filters[has_wform]=no",
  "filters[campaign_id]=1",
  "filters[state]=accepted",
  "filters[state]=blocked",
  "filters[clicks_count][from]=100",
  "filters[joined_at][from]=2023-12-01 00:00:00",
  "filters[last_login_at][from]=2024-01-01 00:00:00",
  "filters[inactivity][metric]=sale&filters[inactivity][days]=30",
  "filters[custom_field1][key]=tier&filters[custom_field1][operator]=exact&filters[custom_field1][value]=gold",
  "filters[custom_field1][key]=tier&filters[custom_field1][operator]=partial&filters[custom_field1][value]=ol",
  "q=lovelace",
  "q=ad",
  "q=example.com",
];

const archived = "filters[archived]=true";
const sorted = "sorting[revenue_amount]=desc";

/** Returns five ids near the start of the table, different ones in each turn. */
const makeIds = (turn: number) => Array.from({ length: 5 }, (_, index) => 3 + 10 * ((5 * turn + index) % 900));

/** Returns five of the same fifty ids, because other calls also repeat their promoters. */
const fiftyIds = (turn: number) => makeIds(turn % 10);

const makeSet =
  (verb: "restore" | "archive") =>
  (name: string, ids: (turn: number) => number[]): Call => ({
    name,
    method: "POST",
    path: () => `/promoters/${verb}`,
    body: (_, turn) => ({ ids: ids(turn) }),
  });
const makeRestore = makeSet("restore");
const makeArchive = makeSet("archive");

const promoter = (n: number) => `promoter${n}@example.com`;

/** All calls, with the parameters that may affect their time. */
export const calls: Record<string, Call[]> = {
  "lists and sortings": [
    list("newest", ""),
    list(archived),
    list("page 20 of 100", "page=20&per_page=100&filters[archived]=true"),
    ...sortings.flatMap((sorting) => [list(sorting), list(`${sorting}&${archived}`)]),
    ...["", sorted, "sorting[clicks_count]=asc"].map(
      (sorting): Call => ({ ...list(`30 live, ${sorting}`, sorting), sparse: true }),
    ),
    { name: "list ids", path: (size) => `/promoters?ids[]=1&ids[]=2&ids[]=${size}&${archived}` },
  ],
  "pages far back": [
    "page=50&per_page=100",
    "page=400&per_page=100&filters[archived]=true",
    "page=40&per_page=100&sorting[clicks_count]=desc",
    "page=40&per_page=100&sorting[clicks_count]=desc&filters[archived]=true",
    "page=200&q=ada&filters[archived]=true",
  ].map((query) => list(query)),
  // Promoters whose numbers share a prefix are adjacent, and far from the newest.
  "texts of every length": ["e", "z", "99", "ada", "...", "er12", "ref9999", "promoter1", "ada rarebird ref1"].flatMap(
    (q) => [list(`q=${q}`), list(`q=${q}&${archived}`), list(`q=${q}&${archived}&${sorted}`)],
  ),
  "combined filters with few matches": [
    "filters[campaign_id]=1&filters[has_wform]=yes",
    "filters[campaign_id]=1&filters[subscribed_to_email]=no",
    "filters[invoice_details_status]=pending&filters[clicks_count][from]=990",
  ].flatMap((filter) => [list(filter), list(`${filter}&${archived}`), list(`${filter}&${archived}&${sorted}`)]),
  "filters with thirty matches": rare.flatMap((filter) => [
    list(filter),
    list(`${filter}&${archived}`),
    list(`${filter}&${archived}&${sorted}`),
  ]),
  "filters without a match": none.flatMap((filter) => [
    list(filter),
    list(`${filter}&${archived}`),
    list(`${filter}&${archived}&${sorted}`),
  ]),
  "filters with most promoters": common.flatMap((filter) => [
    list(filter),
    list(`${filter}&${archived}`),
    list(`${filter}&${archived}&${sorted}`),
  ]),
  "one promoter": [
    { name: "by id", path: (size) => `/promoters/${size - 9}` },
    { name: "find_by=email", path: (size) => `/promoters/${promoter(size - 9)}?find_by=email` },
    { name: "find_by=cust_id", path: (size) => `/promoters/c${size - 9}?find_by=cust_id` },
    { name: "find_by=auth_token", path: (size) => `/promoters/token${size - 9}?find_by=auth_token` },
    { name: "find_by=ref_token", path: (size) => `/promoters/ref${size - 9}?find_by=ref_token` },
    { name: "find_by=promo_code", path: (size) => `/promoters/coupon${size - 9}?find_by=promo_code` },
    { name: "q, an address", path: (size) => `/promoters?q=${promoter(size - 9)}&${archived}` },
    {
      name: "create",
      path: () => "/promoters",
      method: "POST",
      body: (_, turn) => ({ email: `fresh${turn}@example.com` }),
    },
    {
      name: "update",
      path: (size) => `/promoters/${size - 9}`,
      method: "PUT",
      body: (_, turn) => ({ note: `turn ${turn}`, profile: { first_name: `Ada ${turn}` } }),
    },
  ],
  batches: [
    { ...makeRestore("restore of 5", fiftyIds), before: makeArchive("", fiftyIds) },
    { ...makeArchive("archive of 5", fiftyIds), before: makeRestore("", fiftyIds) },
    {
      name: "block of 5",
      path: () => "/promoters/block",
      method: "POST",
      body: (_, turn) => ({ campaign_id: 1, ids: makeIds(turn) }),
    },
    {
      name: "assign_parent of 5",
      path: () => "/promoters/assign_parent",
      method: "POST",
      body: (_, turn) => ({ parent_promoter_id: 5, ids: makeIds(turn) }),
    },
    { name: "batch_processes, all", path: () => "/batch_processes?filters[status]=completed" },
    { name: "batch_processes", path: () => "/batch_processes" },
    { name: "progress", path: () => "/batch_processes/progress?filters[status]=completed&per_page=20" },
    { name: "the batch of all promoters", path: () => "/batch_processes/1" },
    { name: "its items", path: () => "/batch_processes/1/items" },
    { name: "its failed items", path: () => "/batch_processes/1/items?filters[outcome]=failed" },
  ],
};

/**
 * Calls on promoters that no other call touched. Their pages come from the disk and are logged in full, as on a table that does
 * not fit into memory. Reported without a target.
 */
export const untouched: Record<string, Call[]> = {
  "untouched promoters": [makeRestore("restore of 5", makeIds), makeArchive("archive of 5", makeIds)],
};
