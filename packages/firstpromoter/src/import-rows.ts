import { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";

/** A line of a file with what stands in it, or why that cannot be told. */
export type Row = { line: number; value: unknown } | { line: number; fault: string };

/** Bytes of a line at most. */
const longestLine = 1024 * 1024;

/** Lines of JSON; blank ones are passed over. */
export async function* rowsOfNdjson(source: AsyncIterable<Uint8Array>): AsyncGenerator<Row, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 0;
  for await (const bytes of linesOf(source)) {
    line++;
    if (bytes === undefined) {
      yield { line, fault: `the line is longer than ${longestLine} bytes` };
      continue;
    }
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      yield { line, fault: "the line is not UTF-8" };
      continue;
    }
    if (text.trim() === "") continue;
    let row: Row;
    try {
      row = { line, value: JSON.parse(text) };
    } catch {
      row = { line, fault: "the line is not JSON" };
    }
    yield row;
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
  ...under("stats", "clicks_count referrals_count sales_count customers_count active_customers_count revenue_amount"),
  ...under("profile", "first_name last_name website company_name company_number phone_number vat_id country address"),
  ...under(
    "profile",
    "description instagram_url youtube_url linkedin_url facebook_url twitter_url twitch_url tiktok_url",
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

/** Rows of a table whose header names the columns, separated by commas, semicolons or tabs; others are passed over. */
export async function* rowsOfCsv(source: AsyncIterable<Uint8Array>): AsyncGenerator<Row, void, undefined> {
  const broken: CsvError[] = [];
  function* faults(): Generator<Row> {
    for (const error of broken.splice(0)) yield { line: lineOf(error), fault: error.message };
  }
  const parser = Readable.from(source).pipe(
    parse({
      ...{ info: true, bom: true, trim: true, relax_column_count: true, delimiter: [",", ";", "\t"] },
      ...{ skip_empty_lines: true, skip_records_with_empty_values: true, max_record_size: longestLine },
      ...{
        skip_records_with_error: true,
        on_skip: (error: CsvError | undefined) => void (error && broken.push(error)),
      },
    }),
  );
  let header: (string | undefined)[] | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const line = info.lines;
      yield* faults();
      if (!header) {
        header = record.map(
          (name) =>
            columns[
              name
                .trim()
                .toLowerCase()
                .replace(/[\s_-]+/g, "_")
            ],
        );
        if (!header.includes("email")) {
          yield { line, fault: `there is no column email (there are: ${record.join(", ").slice(0, 500)})` };
          return;
        }
      } else if (record.length !== header.length) {
        yield { line, fault: `the line has ${record.length} cells, and the header has ${header.length}` };
      } else if (record.some((cell) => cell.includes("\ufffd"))) {
        yield { line, fault: "the line is not UTF-8" };
      } else yield { line, value: itemOf(header, record) };
    }
    yield* faults();
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    yield { line: lineOf(error), fault: error.message };
  }
}

const lineOf = (error: CsvError) => (error as CsvError & { lines?: number }).lines ?? 1;

/** The cells as an item of `GET /promoters`; an empty one is not there. */
function itemOf(header: (string | undefined)[], cells: string[]): unknown {
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
    ...(campaign && {
      promoter_campaigns: [
        { ...campaign, ...(typeof campaign.state === "string" && { state: campaign.state.toLowerCase() }), campaign },
      ],
    }),
  };
}
