import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { createHost } from "@reinstate/batch-core";
import { privateMariadb } from "@reinstate/tooling/services";
import { createVicidial } from "@reinstate/vicidial";
import { insertRows, leadTables, makeLead } from "@reinstate/vicidial/testing";
import mysql, { type Connection, type RowDataPacket } from "mysql2/promise";
import { type Line, median, rate } from "./report.ts";
import { isQuick } from "./scale.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const perCall = 500;
/** Turns until V8 has optimized the code, as in a server that has run for minutes. */
const warmUpTurns = 30;
const columns = Object.keys(makeLead(1));
const names = columns.map((name) => `\`${name}\``).join(", ");

/**
 * The server settings of ViciBox. It does not set InnoDB's pool. Here the tables fit into the pool, as MyISAM's fit into the file
 * cache.
 */
const settings = [
  ...["--sql-mode=NO_ENGINE_SUBSTITUTION", "--default-storage-engine=MyISAM", "--concurrent-insert=2"],
  ...["--myisam-use-mmap=1", "--query-cache-type=0", "--max-connections=2000", "--skip-name-resolve"],
  "--innodb-buffer-pool-size=1G",
];
/** MariaDB's default, a third of the size of the tables. */
const smallPool = 128 * 1024 ** 2;

/** Moves leads out of the archive, compared with the two bare statements and with VICIdial's own call per lead. */
export async function vicidial(scale: number): Promise<Line[]> {
  const server = await privateMariadb(settings);
  try {
    const lines: Line[] = [];
    for (const engine of ["MyISAM", "InnoDB"]) lines.push(...(await onEngine(server.url, engine, scale)));
    return lines;
  } finally {
    server.stop();
  }
}

async function onEngine(serverUrl: string, engine: string, scale: number): Promise<Line[]> {
  const name = `reinstate_bench_${randomBytes(4).toString("hex")}`;
  const url = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
  const root = await mysql.createConnection({ uri: serverUrl });
  await root.query(`CREATE DATABASE ${name} DEFAULT CHARACTER SET utf8mb3`);
  const folder = mkdtempSync(join(tmpdir(), "reinstate-bench-"));
  const bare = await mysql.createConnection({ uri: url, flags: ["-FOUND_ROWS"] });
  const host = await createHost({ databaseUrl: `sqlite:${join(folder, "ledger.db")}` });
  const ours = await createVicidial(host, { url });
  const { secret } = await host.keys.create({ vendor: "vicidial" });
  try {
    for (const statement of leadTables({ live: engine, archive: engine })) await bare.query(statement);
    // Each comparison takes some thousand leads, at any scale with repeats.
    const rows = isQuick(scale) ? 4000 : Math.max(30_000, Math.round(500_000 * scale));
    await fill(bare, engine, rows);
    const take = await leadsToTake(bare);
    const call = async (lead_ids: number[]) => {
      const request = new Request("http://localhost/vicidial/leads/dearchive", {
        method: "POST",
        headers: { authorization: `Key=${secret}` },
        body: JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids }),
      });
      const response = await ours.routes.fetch(request);
      const text = await response.text();
      if (JSON.parse(text).delete_count !== lead_ids.length) throw new Error(`Unexpected response: ${text}`);
    };
    const database = `MariaDB, ${engine}`;
    const native = await nativeServer(url);
    const lines = [
      await besideTheStatements(bare, call, take, scale, database),
      await besideTheNative(native.call, call, take, scale, database),
      ...(await asOneBatch(url, host, take, rows, isQuick(scale) ? 50 : 5000, database)),
    ];
    if (engine === "InnoDB") {
      await root.query("SET GLOBAL innodb_buffer_pool_size = ?", [smallPool]);
      const short = `${database}, pool of 128 MiB`;
      // The disk dominates here, so there is no target.
      const { wanted: _, ...line } = await besideTheNative(native.call, call, take, scale, short);
      lines.push(line);
    }
    native.stop();
    return lines;
  } finally {
    await host.close();
    await ours.close();
    await bare.end();
    await root.query(`DROP DATABASE ${name}`);
    await root.end();
    rmSync(folder, { recursive: true });
  }
}

/** Fills each table with `rows` leads, whose values are distinct in most indexes. */
async function fill(bare: Connection, engine: string, rows: number): Promise<void> {
  for (const [table, first] of [
    [archive, 1],
    [live, rows + 1],
  ] as const) {
    if (engine === "MyISAM") await bare.query(`ALTER TABLE ${table} DISABLE KEYS`);
    const some = Math.min(1000, rows);
    const leads = Array.from({ length: some }, (_, index) => makeLead(first + index));
    await insertRows(bare, table, leads);
    for (let there = some; there < rows; there *= 2) {
      const changed: Record<string, string> = {
        lead_id: "lead_id + ?",
        phone_number: "LPAD(lead_id + ?, 10, '3')",
        vendor_lead_code: "CONCAT('V', lead_id + ?)",
      };
      const values = columns.map((column) => changed[column] ?? `\`${column}\``).join(", ");
      await bare.query(`INSERT INTO ${table} (${names}) SELECT ${values} FROM ${table} ORDER BY lead_id LIMIT ?`, [
        ...[there, there, there],
        Math.min(there, rows - there),
      ]);
    }
    if (engine === "MyISAM") await bare.query(`ALTER TABLE ${table} ENABLE KEYS`);
  }
}

/** Returns a function that returns archived leads, each once, in a scrambled order. It throws if there are not enough left. */
async function leadsToTake(bare: Connection): Promise<(count: number) => number[]> {
  const [rows] = await bare.query<RowDataPacket[]>(`SELECT lead_id FROM ${archive} ORDER BY CRC32(lead_id)`);
  const ids = rows.map((row) => Number(row.lead_id));
  return (count) => {
    if (ids.length < count) throw new Error(`Only ${ids.length} of ${count} leads are left to take`);
    return ids.splice(0, count).sort((a, b) => a - b);
  };
}

async function besideTheStatements(
  bare: Connection,
  call: (ids: number[]) => Promise<void>,
  take: (count: number) => number[],
  scale: number,
  database: string,
): Promise<Line> {
  const text = (value: string) => `BINARY CONVERT(${value} USING utf8mb4)`;
  const equal = columns.map((column) => `${text(`a.\`${column}\``)} <=> ${text(`l.\`${column}\``)}`).join(" AND ");
  const insert = `INSERT INTO ${live} (${names}) SELECT ${names} FROM ${archive} AS a WHERE a.lead_id IN (?)
    AND NOT EXISTS (SELECT 1 FROM ${live} AS x WHERE x.lead_id = a.lead_id)`;
  const remove = `DELETE a FROM ${archive} AS a JOIN ${live} AS l ON l.lead_id = a.lead_id
    WHERE a.lead_id IN (?) AND ${equal}`;
  const statements = async (ids: number[]) => {
    await bare.query(insert, [ids]);
    await bare.query(remove, [ids]);
  };
  const pairs: { ours: number; plain: number }[] = [];
  const turns = isQuick(scale) ? 1 : Math.max(9, Math.round(25 * scale));
  const warmUp = isQuick(scale) ? 0 : Math.max(3, Math.round(warmUpTurns * scale));
  for (let turn = -warmUp; turn < turns; turn++) {
    const taken: Record<"ours" | "plain", number> = { ours: 0, plain: 0 };
    const order = turn % 2 === 0 ? (["ours", "plain"] as const) : (["plain", "ours"] as const);
    for (const way of order) taken[way] = await timed(way === "ours" ? call : statements, take(perCall));
    // Warms up the code and the tables.
    if (turn >= 0) pairs.push(taken);
  }
  const ms = (way: "ours" | "plain") => `${median(pairs.map((pair) => pair[way])).toFixed(0)} ms`;
  return {
    work: "500 leads, one call",
    database,
    ours: ms("ours"),
    compared: `the two bare statements: ${ms("plain")}`,
    figure: median(pairs.map((pair) => pair.plain)) / median(pairs.map((pair) => pair.ours)),
    // On InnoDB atomicity matters more than speed.
    wanted: { atLeast: database.endsWith("InnoDB") ? 0.65 : 0.8 },
  };
}

/** VICIdial's own function as its statements over HTTP, without PHP: settings, login, checks and log. */
async function nativeServer(url: string) {
  const around = await mysql.createConnection({ uri: url });
  for (const table of [
    "system_settings (version VARCHAR(50))",
    "vicidial_users (user VARCHAR(20) PRIMARY KEY, pass VARCHAR(100), failed_login_count TINYINT)",
    "vicidial_user_groups (user_group VARCHAR(20) PRIMARY KEY, allowed_campaigns TEXT)",
    "vicidial_api_log (api_id INT AUTO_INCREMENT PRIMARY KEY, user VARCHAR(20), api_date DATETIME, value VARCHAR(255))",
    "vicidial_api_urls (api_id INT AUTO_INCREMENT PRIMARY KEY, api_date DATETIME, url TEXT)",
  ]) {
    await around.query(`CREATE TABLE ${table} ENGINE=MyISAM`);
  }
  await around.query("INSERT INTO vicidial_users VALUES ('6666', '1234', 1)");
  await around.end();
  const server = createServer(
    getRequestListener(async (request) => {
      const id = Number(new URL(request.url).searchParams.get("lead_id"));
      // One connection per call, as a PHP page has.
      const connection = await mysql.createConnection({ uri: url });
      try {
        await connection.query("SELECT * FROM system_settings");
        for (let check = 0; check < 4; check++)
          await connection.query("SELECT * FROM vicidial_users WHERE user = '6666'");
        await connection.query("UPDATE vicidial_users SET failed_login_count = 0 WHERE user = '6666'");
        await connection.query("SELECT allowed_campaigns FROM vicidial_user_groups WHERE user_group = 'ADMIN'");
        await connection.query(`SELECT list_id FROM ${archive} WHERE lead_id = ?`, [id]);
        await connection.query(`SELECT list_id FROM ${live} WHERE lead_id = ?`, [id]);
        await connection.query(`INSERT INTO ${live} SELECT * FROM ${archive} WHERE lead_id = ?`, [id]);
        await connection.query(`DELETE FROM ${archive} WHERE lead_id = ?`, [id]);
        await connection.query("INSERT INTO vicidial_api_log (user, api_date, value) VALUES ('6666', NOW(), ?)", [id]);
        await connection.query("INSERT INTO vicidial_api_urls (api_date, url) VALUES (NOW(), ?)", [request.url]);
        return new Response("SUCCESS\n");
      } finally {
        await connection.end();
      }
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    async call(ids: number[]) {
      for (const id of ids) await (await fetch(`http://127.0.0.1:${port}/?lead_id=${id}`)).text();
    },
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function besideTheNative(
  native: (ids: number[]) => Promise<void>,
  call: (ids: number[]) => Promise<void>,
  take: (count: number) => number[],
  scale: number,
  database: string,
): Promise<Line> {
  const ratios: number[] = [];
  const rates: { ours: number[]; native: number[] } = { ours: [], native: [] };
  const turns = isQuick(scale) ? 1 : Math.max(3, Math.round(7 * scale));
  for (let turn = 0; turn < turns; turn++) {
    const one = (await timed(native, take(50))) / 50;
    const many = (await timed(call, take(perCall))) / perCall;
    ratios.push(one / many);
    rates.native.push(1000 / one);
    rates.ours.push(1000 / many);
  }
  return {
    work: "leads one by one",
    database,
    ours: rate(median(rates.ours), "leads"),
    compared: `VICIdial's own call per lead: ${rate(median(rates.native), "leads")}`,
    figure: median(ratios),
    wanted: { atLeast: 20 },
  };
}

/** Measures a large batch while a writer updates leads continuously. */
async function asOneBatch(
  url: string,
  host: Awaited<ReturnType<typeof createHost>>,
  take: (count: number) => number[],
  rows: number,
  aloneMs: number,
  database: string,
): Promise<Line[]> {
  const leads = Math.round(rows / 5);
  const writer = await mysql.createConnection({ uri: url });
  let step = 0;
  /** Updates leads while `goOn` holds. Returns the milliseconds of each update, sorted. */
  const write = async (goOn: () => boolean) => {
    const stalls: number[] = [];
    for (; goOn(); step++) {
      const start = performance.now();
      await writer.query(`UPDATE ${live} SET called_count = called_count + 1 WHERE lead_id = ?`, [
        rows + 1 + ((step * 7919) % rows),
      ]);
      stalls.push(performance.now() - start);
    }
    return stalls.sort((a, b) => a - b);
  };
  // The writer alone, for comparison.
  const alone = await runFor(write, aloneMs);
  let atWork = true;
  const writing = write(() => atWork);
  const items = take(leads);
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 50);
  const started = performance.now();
  const params = { insert_leads: true, delete_leads: true };
  const { id } = await host.batches.submit({ operation: "vicidial.leads.dearchive", items, params });
  const batch = await host.batches.wait(id);
  const seconds = (performance.now() - started) / 1000;
  clearInterval(watch);
  atWork = false;
  const sorted = await writing;
  await writer.end();
  if (batch.counts.done !== items.length) throw new Error(`The batch ended with ${JSON.stringify(batch.counts)}`);
  const ours = `${leads} leads, ${rate(leads / seconds, "leads")}`;
  const most99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  const memory: Line = {
    work: "memory of a batch",
    database,
    ours,
    compared: "",
    figure: (most - before) / 1024 ** 2,
    unit: " MiB",
    wanted: { atMost: 100 },
  };
  const wait: Line = {
    work: "longest wait of a writer during a batch",
    database,
    ours,
    compared: `p99: ${most99.toFixed(0)} ms; alone, in ${aloneMs / 1000} s: ${(alone.at(-1) ?? 0).toFixed(0)} ms`,
    figure: sorted.at(-1) ?? 0,
    unit: " ms",
    wanted: { atMost: 200 },
  };
  return [wait, memory];
}

/** Runs a work for some milliseconds and returns its result. */
function runFor<Result>(work: (goOn: () => boolean) => Promise<Result>, ms: number): Promise<Result> {
  const end = performance.now() + ms;
  return work(() => performance.now() < end);
}

async function timed(work: (ids: number[]) => Promise<void>, ids: number[]): Promise<number> {
  const start = performance.now();
  await work(ids);
  return performance.now() - start;
}
