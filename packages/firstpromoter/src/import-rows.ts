import { CsvError, parse } from "csv-parse/sync";

/** A record of a file with its first line and what stands in it, or why that cannot be told. */
export type Row = { line: number; value: unknown } | { line: number; fault: string };

/** Bytes of a line at most. */
const longestLine = 1024 * 1024;

/** Lines of JSON; blank ones are passed over. */
export async function* rowsOfNdjson(source: AsyncIterable<Uint8Array>): AsyncGenerator<Row, void, undefined> {
  for await (const read of textsOf(source)) {
    if ("fault" in read) yield read;
    else if (read.text.trim() !== "") yield jsonOf(read);
  }
}

function jsonOf({ line, text }: Line): Row {
  try {
    return { line, value: JSON.parse(text) };
  } catch {
    return { line, fault: "the line is not JSON" };
  }
}

interface Line {
  line: number;
  text: string;
}

/** The lines of a stream as text, numbered from 1, without a byte order mark. */
async function* textsOf(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Line | { line: number; fault: string }, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 0;
  for await (const bytes of linesOf(source)) {
    line++;
    if (bytes === undefined) {
      yield { line, fault: `the line is longer than ${longestLine} bytes` };
      continue;
    }
    let text: string | undefined;
    try {
      text = decoder.decode(bytes).replace(/\r$/, "");
    } catch {
      // Told below, for what is thrown into a generator at a yield is caught here too.
    }
    yield text === undefined ? { line, fault: "the line is not UTF-8" } : { line, text };
  }
}

/** The lines of a stream; undefined for one that is too long to be held. */
async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | undefined, void, undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const keep = (part: Uint8Array) => {
    size += part.byteLength;
    if (size > longestLine) parts = [];
    else parts.push(part);
  };
  const take = () => {
    const line = size > longestLine ? undefined : Buffer.concat(parts);
    parts = [];
    size = 0;
    return line;
  };
  for await (const part of source) {
    let start = 0;
    for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, start)) {
      keep(part.subarray(start, end));
      yield take();
      start = end + 1;
    }
    keep(part.subarray(start));
  }
  if (size > 0) yield take();
}

/** Where the cell of a column goes, by the column's name in lower case with one space or underscore between words. */
const columns: Record<string, string> = {
  ...own("id email name cust_id note joined_at last_login_at archived_at fraud_suspicions invoice_details_status"),
  ...own("subscribed_to_email is_confirmed is_customized track_ad_traffic auth_provider first_event_at"),
  ...under("stats", "clicks_count referrals_count sales_count customers_count active_customers_count revenue_amount"),
  ...under("profile", "first_name last_name website company_name company_number phone_number vat_id country address"),
  ...under(
    "profile",
    "description avatar w8_form_url w9_form_url instagram_url youtube_url linkedin_url facebook_url twitter_url twitch_url tiktok_url",
  ),
  ...under("campaign", "campaign_id state coupon ref_token"),
  ...{
    promoter_id: "id",
    email_address: "email",
    customer_id: "cust_id",
    created_at: "joined_at",
    company: "profile.company_name",
  },
  ...{ clicks: "stats.clicks_count", referrals: "stats.referrals_count", sales: "stats.sales_count" },
  ...{ customers: "stats.customers_count", active_customers: "stats.active_customers_count" },
  ...{
    phone: "profile.phone_number",
    campaign: "campaign.name",
    campaign_name: "campaign.name",
    status: "campaign.state",
  },
  ...{ ref_id: "campaign.ref_token", referral_id: "campaign.ref_token", promo_code: "campaign.coupon" },
};

function own(names: string): Record<string, string> {
  return Object.fromEntries(names.split(" ").map((name) => [name, name]));
}

function under(parent: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(" ").map((name) => [name, `${parent}.${name}`]));
}

const integers = /^(id|stats\..*|campaign\.campaign_id)$/;

/**
 * Rows of a table whose header names the columns, separated by commas, semicolons or tabs, whichever stands in the header; other
 * columns are passed over. A quoted cell may go over several lines; a quote that is never closed takes only its own line along.
 */
export async function* rowsOfCsv(source: AsyncIterable<Uint8Array>): AsyncGenerator<Row, void, undefined> {
  let table: Table | undefined;
  /** The lines of a record whose quoted cell is not closed yet. */
  let open: Line[] = [];
  let size = 0;
  let quotes = 0;

  /** Lines from the last to the first; `ended`: no more will come. */
  function* look(lines: Line[], ended: boolean): Generator<Row> {
    while (lines.length > 0 || (ended && open.length > 0)) {
      const next = lines.pop();
      if (next) {
        open.push(next);
        size += next.text.length;
        quotes += next.text.split('"').length - 1;
        // In a record each quote has its counterpart.
        if (quotes % 2 === 1 && size <= longestLine) continue;
      }
      const [first, ...others] = open as [Line, ...Line[]];
      const cells = table && cellsOf(open, table);
      open = [];
      size = 0;
      quotes = 0;
      if (!cells) {
        yield { line: first.line, fault: "a quote stands where none can, or is never closed" };
        lines.push(...others.reverse());
      } else if (cells.some((cell) => cell !== "")) yield rowOf(first.line, cells, table as Table);
    }
  }

  for await (const read of textsOf(source)) {
    if ("fault" in read) {
      yield* look([], true);
      yield read;
    } else if (table) yield* look([read], false);
    else if (read.text.trim() !== "") {
      table = tableOf(read.text);
      if (table.fault === undefined) continue;
      yield { line: read.line, fault: table.fault };
      return;
    }
  }
  yield* look([], true);
}

interface Table {
  delimiter: string;
  /** Where each cell goes; undefined for one that is passed over. */
  header: (string | undefined)[];
  fault?: string;
}

function tableOf(text: string): Table {
  const count = (sign: string) => text.split(sign).length;
  const delimiter = [",", ";", "\t"].reduce((most, sign) => (count(sign) > count(most) ? sign : most));
  const names = cellsOf([{ line: 1, text }], { delimiter, header: [] }) ?? [];
  const header = names.map((name) => columns[name.toLowerCase().replace(/[\s_-]+/g, "_")]);
  const table = { delimiter, header };
  if (text.includes("\r")) return { ...table, fault: "lines must end with a line feed" };
  if (header.includes("email")) return table;
  return { ...table, fault: `there is no column email (there are: ${names.join(", ").slice(0, 500)})` };
}

/** The cells of a record; undefined where these lines make none. */
function cellsOf(lines: readonly Line[], { delimiter, header }: Pick<Table, "delimiter" | "header">) {
  const text = lines.map((line) => line.text).join("\n");
  if (!text.includes('"')) return text.split(delimiter).map((cell) => cell.trim());
  try {
    const [cells, ...others] = parse(text, { delimiter, trim: true, relax_column_count: true }) as string[][];
    // A quote that was forgotten may find another one far below: what lies between must not be lost in one cell.
    const isOne = others.length === 0 && (lines.length === 1 || cells?.length === header.length);
    return isOne ? cells : undefined;
  } catch (error) {
    if (error instanceof CsvError) return undefined;
    throw error;
  }
}

function rowOf(line: number, cells: string[], { header }: Table): Row {
  if (cells.length === header.length) return { line, value: itemOf(header, cells) };
  return { line, fault: `the line has ${cells.length} cells, and the header has ${header.length}` };
}

/** The cells as an item of `GET /promoters`; an empty one is not there. */
function itemOf(header: readonly (string | undefined)[], cells: readonly string[]): unknown {
  const groups: Record<string, Record<string, unknown>> = { item: {} };
  header.forEach((path, place) => {
    const cell = cells[place] ?? "";
    if (path === undefined || cell === "") return;
    const [group, name] = path.includes(".") ? (path.split(".") as [string, string]) : ["item", path];
    groups[group] ??= {};
    groups[group][name] = integers.test(path) && /^-?\d{1,16}$/.test(cell) ? Number(cell) : cell;
  });
  const { item, stats, profile, campaign } = groups;
  const suspicions = item?.fraud_suspicions;
  return {
    ...item,
    ...(typeof suspicions === "string" && { fraud_suspicions: suspicions.split(/[\s,|]+/) }),
    ...(stats && { stats }),
    ...(profile && { profile }),
    ...(campaign && { promoter_campaigns: [{ ...campaign, campaign }] }),
  };
}
