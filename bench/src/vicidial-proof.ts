import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHost } from "@reinstate/batch-core";
import { createVicidial } from "@reinstate/vicidial";
import { insertRows, leadTables, makeLead } from "@reinstate/vicidial/testing";
import mysql, { type Connection, type ResultSetHeader, type RowDataPacket } from "mysql2/promise";

// Kills a mover 100 times and a MariaDB of its own 20 times at random while leads are moved there and back, and looks after
// each whether every lead is whole in one of the two tables. Then four writers change 2,000 leads while these are moved, by us
// and by the same statements without a lock. Usage: vicidial-proof.ts [kills of the mover] [of MariaDB] [leads moved]

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const ids = Array.from({ length: 400 }, (_, index) => index + 1);
const mixes = [
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
  { live: "InnoDB", archive: "MyISAM" },
  { live: "MyISAM", archive: "InnoDB" },
];
const paramsOf = (verb: string) => ({
  insert_leads: true,
  delete_leads: true,
  ...(verb === "archive" && { update_leads: false }),
});

const folder = mkdtempSync(join(tmpdir(), "reinstate-proof-"));
const port = await freePort();
const root = `mysql://root@127.0.0.1:${port}/`;
execFileSync(
  "mariadb-install-db",
  [
    "--no-defaults",
    `--datadir=${folder}/data`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    "--user=root",
  ],
  { stdio: "ignore" },
);
let server = await startServer();
try {
  const [movers = 100, servers = 20, moves = 2000] = process.argv.slice(2).map(Number);
  await killMovers(movers);
  await killServers(servers);
  await amongWriters(moves);
} finally {
  server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

async function killMovers(kills: number): Promise<void> {
  const child = `
    import { createHost, systemClock } from "@reinstate/batch-core";
    import { createVicidial } from "@reinstate/vicidial";
    const { ledger, url, verb, round, ids, params } = JSON.parse(process.env.MOVE);
    const clock = { ...systemClock, now: () => systemClock.now() + round * 60_000 };
    const host = await createHost({ databaseUrl: ledger, clock, role: "web" });
    await createVicidial(host, { url, leadsPerLock: 40 });
    console.log("at work");
    await host.batches.submit({ operation: "vicidial.leads." + verb, items: ids, params, inline: true });
    process.exit();`;
  const seen = { killed: 0, finished: 0, twins: 0, between: 0 };
  for (const mix of mixes) {
    await using site = await makeSite(mix);
    const run = (round: number, killAfter?: number) =>
      new Promise<{ killed: boolean; ms: number }>((resolve) => {
        const verb = round % 2 === 0 ? "dearchive" : "archive";
        const MOVE = JSON.stringify({
          ...{ ledger: site.ledger, url: site.url },
          verb,
          round,
          ids,
          params: paramsOf(verb),
        });
        const mover = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", child], {
          ...{ cwd: import.meta.dirname, env: { ...process.env, MOVE }, stdio: ["ignore", "pipe", "inherit"] },
        });
        let started = 0;
        mover.stdout?.once("data", () => {
          started = performance.now();
          if (killAfter !== undefined) setTimeout(() => mover.kill("SIGKILL"), killAfter);
        });
        mover.on("exit", (_code, signal) => resolve({ killed: signal === "SIGKILL", ms: performance.now() - started }));
      });
    // As long as the work takes on this machine today.
    const { ms } = await run(0);
    let round = 1;
    // Who was done before he could be killed does not count.
    for (let killed = 0; killed < kills / mixes.length; round++) {
      if ((await run(round, Math.random() * ms)).killed) {
        killed++;
        seen.killed++;
      } else seen.finished++;
      const { twins, inLive } = await site.check();
      seen.twins += twins;
      if (inLive > 0 && inLive < ids.length) seen.between++;
    }
    await run(round);
    await run(round + 1);
    const { twins } = await site.check();
    if (twins > 0) throw new Error(`${twins} leads are doubled after the last run`);
  }
  process.stdout.write(`movers killed: ${JSON.stringify(seen)}, no lead lost, none doubled in the end\n`);
}

async function killServers(kills: number): Promise<void> {
  const seen = { killed: 0, "tables repaired": 0, twins: 0, between: 0, "batches finished": 0 };
  for (const mix of mixes) {
    await using site = await makeSite(mix);
    const host = await createHost({ databaseUrl: site.ledger });
    const vicidial = await createVicidial(host, { url: site.url, leadsPerLock: 40 });
    const submit = (round: number) => {
      const verb = round % 2 === 0 ? "dearchive" : "archive";
      const operation = `vicidial.leads.${verb}`;
      return host.batches.submit({ operation, items: ids, params: paramsOf(verb), inline: false });
    };
    const started = performance.now();
    await host.batches.wait((await submit(0)).id);
    const ms = performance.now() - started;
    for (let round = 1; round <= kills / mixes.length; round++) {
      const submitted = submit(round);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * ms));
      server.kill("SIGKILL");
      await new Promise((resolve) => server.once("exit", resolve));
      seen.killed++;
      server = await startServer();
      seen["tables repaired"] += await site.repair();
      const { twins, inLive } = await site.check();
      seen.twins += twins;
      if (inLive > 0 && inLive < ids.length) seen.between++;
      const batch = await host.batches.wait((await submitted).id);
      const { done, skipped, failed, unknown } = batch.counts;
      if (done + skipped !== ids.length)
        throw new Error(`The batch ended with ${failed} failed, ${unknown} unknown: ${batch.error}`);
      if ((await site.check()).twins > 0) throw new Error("Leads are doubled after the batch");
      seen["batches finished"]++;
    }
    await vicidial.close();
    await host.close();
  }
  process.stdout.write(`MariaDB killed: ${JSON.stringify(seen)}, no lead lost, none doubled in the end\n`);
}

type Site = Awaited<ReturnType<typeof makeSite>>;

async function amongWriters(leads: number): Promise<void> {
  const all = Array.from({ length: leads }, (_, index) => index + 1);
  for (const mix of mixes) {
    for (const way of ["as we do it", "without a lock"]) {
      await using site = await makeSite(mix, all);
      await site.query(`UPDATE ${archive} SET called_count = 0`);
      const move = way === "as we do it" ? () => moveByUs(site, all) : () => moveWithoutLock(site, all);
      let stop = false;
      const writers = [1, 2, 3, 4].map((seed) => touch(site.url, seed, leads, () => stop));
      await move().finally(() => {
        stop = true;
      });
      const touched = (await Promise.all(writers)).reduce((sum, count) => sum + count, 0);
      const [counts] = await site.query(`SELECT
        (SELECT COUNT(*) FROM ${live} JOIN ${archive} USING (lead_id)) AS twins,
        (SELECT COUNT(*) FROM ${live}) AS inLive, (SELECT COUNT(*) FROM ${archive}) AS inArchive,
        (SELECT COALESCE(SUM(called_count), 0) FROM ${live}) + (SELECT COALESCE(SUM(called_count), 0) FROM ${archive}) AS kept`);
      const [twins, inLive, inArchive, kept] = ["twins", "inLive", "inArchive", "kept"].map((name) =>
        Number(counts?.[name]),
      ) as [number, number, number, number];
      const lost = leads - (inLive + inArchive - twins);
      process.stdout.write(
        `${leads} moves, live ${mix.live}, archive ${mix.archive}, ${way}: ${touched} changes meanwhile, ${twins} stale twins, ${lost} lost\n`,
      );
      if (way === "as we do it" && (twins > 0 || lost > 0 || inLive !== leads || kept !== touched))
        throw new Error(`${inLive} leads are live, ${kept} of ${touched} changes are kept`);
    }
  }
}

async function moveByUs(site: Site, all: number[]): Promise<void> {
  const host = await createHost({ databaseUrl: site.ledger, role: "web" });
  const vicidial = await createVicidial(host, { url: site.url, leadsPerLock: 50 });
  const operation = "vicidial.leads.dearchive";
  for (let start = 0; start < all.length; start += 500) {
    const items = all.slice(start, start + 500);
    const { counts } = await host.batches.submit({ operation, items, params: paramsOf("dearchive"), inline: true });
    if (counts.done !== items.length) throw new Error(`A batch ended as ${JSON.stringify(counts)}`);
  }
  await vicidial.close();
  await host.close();
}

/** The same insert and the same verified delete, fifty leads at a time, as a careful person would say them. */
async function moveWithoutLock(site: Site, all: number[]): Promise<void> {
  const names = Object.keys(makeLead(1)).map((column) => `\`${column}\``);
  const bytes = (value: string) => `BINARY CONVERT(${value} USING utf8mb4)`;
  const equal = names.map((name) => `${bytes(`a.${name}`)} <=> ${bytes(`l.${name}`)}`).join(" AND ");
  for (let start = 0; start < all.length; start += 50) {
    const ids = all.slice(start, start + 50).join(", ");
    await site.query(`INSERT INTO ${live} (${names.join(", ")}) SELECT ${names.join(", ")} FROM ${archive} AS a
      WHERE a.lead_id IN (${ids}) AND NOT EXISTS (SELECT 1 FROM ${live} AS x WHERE x.lead_id = a.lead_id)`);
    await site.query(`DELETE a FROM ${archive} AS a JOIN ${live} AS l ON l.lead_id = a.lead_id
      WHERE a.lead_id IN (${ids}) AND ${equal}`);
  }
}

/** Changes leads of both tables as fast as it can; how many changes there were. */
async function touch(url: string, seed: number, leads: number, stopped: () => boolean): Promise<number> {
  const writer = await mysql.createConnection({ uri: url, flags: ["-FOUND_ROWS"] });
  let touched = 0;
  for (let step = seed; !stopped(); step += 7919) {
    const table = step % 2 === 0 ? live : archive;
    const sql = `UPDATE ${table} SET called_count = called_count + 1 WHERE lead_id = ?`;
    try {
      const [{ affectedRows }] = await writer.query<ResultSetHeader>(sql, [(step % leads) + 1]);
      touched += affectedRows;
    } catch (error) {
      // On row locks somebody may be chosen as the victim of a deadlock.
      if ((error as { code?: string }).code !== "ER_LOCK_DEADLOCK") throw error;
    }
  }
  await writer.end();
  return touched;
}

async function makeSite(mix: { live: string; archive: string }, leads = ids) {
  const name = `proof_${randomBytes(4).toString("hex")}`;
  const url = `${root}${name}`;
  const ledgerFolder = mkdtempSync(join(folder, "ledger-"));
  const first = await mysql.createConnection({ uri: root });
  await first.query(`CREATE DATABASE ${name} DEFAULT CHARACTER SET utf8mb3`);
  await first.end();
  let admin: Connection = await mysql.createConnection({ uri: url, dateStrings: true });
  for (const statement of leadTables(mix)) await admin.query(statement);
  await insertRows(
    admin,
    archive,
    leads.map((id) => makeLead(id)),
  );
  const rowsOf = async (table: string) => {
    const [found] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table}`);
    return new Map(found.map((row) => [Number(row.lead_id), JSON.stringify(row)]));
  };
  const before = await rowsOf(archive);
  return {
    url,
    ledger: `sqlite:${join(ledgerFolder, "ledger.db")}`,
    query: async (sql: string) => (await admin.query<RowDataPacket[]>(sql))[0],
    /** What an administrator does after a crash: MyISAM keeps its index in the server's memory. */
    async repair() {
      admin.destroy();
      admin = await mysql.createConnection({ uri: url, dateStrings: true });
      const [checked] = await admin.query<RowDataPacket[]>(`CHECK TABLE ${live}, ${archive}`);
      const damaged = new Set(checked.filter((row) => row.Msg_type === "error").map((row) => String(row.Table)));
      for (const table of damaged) await admin.query(`REPAIR TABLE ${table}`);
      return damaged.size;
    },
    /** Throws where a lead is not whole in one of the tables. */
    async check() {
      // Together: a mover's last statements may be under way, though nobody is there any more to hear of them.
      await admin.query(`LOCK TABLES ${live} READ, ${archive} READ`);
      const [inLive, inArchive] = [await rowsOf(live), await rowsOf(archive)];
      await admin.query("UNLOCK TABLES");
      let twins = 0;
      for (const [id, row] of before) {
        const copies = [inLive.get(id), inArchive.get(id)].filter((copy) => copy !== undefined);
        if (copies.length === 0) throw new Error(`Lead ${id} is lost`);
        if (copies.some((copy) => copy !== row)) throw new Error(`Lead ${id} is not as it was`);
        if (copies.length === 2) twins++;
      }
      return { twins, inLive: inLive.size };
    },
    async [Symbol.asyncDispose]() {
      await admin.end();
    },
  };
}

async function startServer() {
  const child = spawn(
    "mariadbd",
    [
      ...["--no-defaults", `--datadir=${folder}/data`, `--port=${port}`, "--bind-address=127.0.0.1"],
      ...[`--socket=${folder}/socket`, "--user=root"],
    ],
    { stdio: "ignore" },
  );
  for (let tries = 0; ; tries++) {
    try {
      await (await mysql.createConnection({ uri: root, connectTimeout: 1000 })).end();
      return child;
    } catch (error) {
      if (tries > 600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = probe.address() as { port: number };
      probe.close(() => resolve(free));
    });
  });
}
