import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHost } from "@reinstate/batch-core";
import { privateMariadb } from "@reinstate/tooling/services";
import { createVicidial } from "@reinstate/vicidial";
import { insertRows, leadTables, makeLead } from "@reinstate/vicidial/testing";
import mysql, { type Connection, type ResultSetHeader, type RowDataPacket } from "mysql2/promise";

/**
 * Kills a mover of leads at random and at each step, and a MariaDB of its own at random, and looks after each kill whether
 * every lead is whole in one of the two tables and what comes next finishes the work. Then four writers change leads while
 * these are moved, by us and by the same statements without a lock. Ends with status 1 where a lead was lost or changed, or
 * where no kill fell into the work. Usage: vicidial-proof.ts [kills of the mover] [of MariaDB] [leads moved among writers]
 */
const [movers = 100, servers = 20, moves = 2000] = process.argv.slice(2).map(Number);

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const ids = Array.from({ length: 400 }, (_, index) => index + 1);

interface Mix {
  live: string;
  archive: string;
}
const mixes: Mix[] = [
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
  { live: "Aria", archive: "Aria" },
  { live: "InnoDB", archive: "MyISAM" },
  { live: "MyISAM", archive: "InnoDB" },
];
const describeMix = (mix: Mix) => (mix.live === mix.archive ? mix.live : `live ${mix.live}, archive ${mix.archive}`);

type Verb = "dearchive" | "archive";
const verbs: Verb[] = ["dearchive", "archive"];
const sides = { dearchive: { from: archive, to: live }, archive: { from: live, to: archive } };
const steps = ["locked", "journaled", "copied", "released", "finished"] as const;

const makeParams = (verb: Verb) => ({
  insert_leads: true,
  delete_leads: true,
  ...(verb === "archive" && { update_leads: true }),
});

const say = (line: string) => process.stdout.write(`${line}\n`);

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

const folder = mkdtempSync(join(tmpdir(), "reinstate-proof-"));
const server = await privateMariadb([]);
try {
  await killMovers();
  await killAtSteps();
  await killServers();
  await amongWriters();
} finally {
  server.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Has another process move the leads. It is killed so many milliseconds after it began, or at a visit of a step. */
function runMover(
  site: Site,
  verb: Verb,
  round: number,
  kill: { afterMs?: number; step?: string; visit?: number } = {},
): Promise<{ killed: boolean; ms: number; said: string }> {
  const source = (path: string) => JSON.stringify(new URL(`../../packages/vicidial/src/${path}`, import.meta.url).href);
  // By the clock of a later round nobody believes in the claims of whoever died.
  const child = `
    import { createHost, systemClock } from "@reinstate/batch-core";
    import { createOperations } from ${source("operations/operations.ts")};
    import { createMariadbStore } from ${source("store/mariadb/mariadb-store.ts")};
    const { ledger, url, verb, round, ids, params, step, visit } = JSON.parse(process.env.MOVE);
    const clock = { ...systemClock, now: () => systemClock.now() + round * 60_000 };
    const host = await createHost({ databaseUrl: ledger, clock, role: "web" });
    let visits = 0;
    const store = await createMariadbStore(host, {
      url, leadsPerLock: 40, lockWaitSeconds: 5, journalDays: 7,
      async onStep(now) {
        if (now === step && ++visits === visit) process.kill(process.pid, "SIGKILL");
      },
    });
    const always = { isAllowed: async () => true, allowedFrom: (_verb, now) => now };
    host.register(...createOperations(store, always, () => clock.now()));
    console.log("at work");
    const batch = await host.batches.submit({ operation: "vicidial.leads." + verb, items: ids, params, inline: true });
    console.log(JSON.stringify(batch.counts));
    process.exit();`;
  return new Promise((resolve) => {
    const { afterMs, ...at } = kill;
    const MOVE = JSON.stringify({
      ...{ ledger: site.ledger, url: site.url, verb, round, ids, params: makeParams(verb) },
      ...at,
    });
    // What one has read of the sources the next need not read again: that takes longer than the work.
    const mover = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", child], {
      cwd: import.meta.dirname,
      env: { ...process.env, MOVE, NODE_COMPILE_CACHE: join(folder, "compiled") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let started = 0;
    let said = "";
    mover.stdout?.on("data", (text) => {
      if (said === "") {
        started = performance.now();
        if (afterMs !== undefined) setTimeout(() => mover.kill("SIGKILL"), afterMs);
      }
      said += text;
    });
    mover.on("exit", (_code, signal) =>
      resolve({ killed: signal === "SIGKILL", ms: performance.now() - started, said }),
    );
  });
}

/** Leads go there and back, with an update on the way into the archive, and movers are killed at any time. */
async function killMovers(): Promise<void> {
  for (const mix of mixes) {
    const seen = { killed: 0, finished: 0, between: 0 };
    await using site = await makeSite(mix);
    // As long as the work takes on this machine today.
    let { ms } = await runMover(site, "dearchive", 0);
    let round = 1;
    // Who was done before he could be killed does not count.
    for (; seen.killed < movers / mixes.length; round++) {
      const verb = verbs[round % 2] as Verb;
      if (verb === "archive") await site.makeStale();
      const run = await runMover(site, verb, round, { afterMs: Math.random() * ms });
      const { killed } = run;
      if (killed) seen.killed++;
      else {
        seen.finished++;
        if (run.said.includes(`"done":${ids.length}`)) ms = Math.min(ms, run.ms);
      }
      const { inLive, twins: duplicates } = await site.check();
      if (killed && (duplicates > 0 || (inLive > 0 && inLive < ids.length))) seen.between++;
    }
    await runMover(site, "archive", round);
    await runMover(site, "dearchive", round + 1);
    must((await site.check()).inLive === ids.length, "Leads are not where the last run should have moved them");
    must((await site.check()).twins === 0, "Leads are doubled after the last run");
    must(seen.between > 0 || seen.killed < 10, "No kill of a mover fell between the first lead and the last");
    say(
      `${describeMix(mix)}: ${seen.killed} movers killed at random, ${seen.between} of them with the leads in both tables, ${seen.finished} too late; none lost, none doubled in the end`,
    );
  }
}

/** One lead does not fit, so that there is a step between the copy and the delete. */
async function killAtSteps(): Promise<void> {
  for (const mix of mixes) {
    let [killed, duplicates, between] = [0, 0, 0];
    for (const verb of verbs) {
      const { from, to } = sides[verb];
      await using site = await makeSite(mix, ids, verb);
      await site.query(`ALTER TABLE ${to} MODIFY comments VARCHAR(5)`);
      await site.query(`UPDATE ${from} SET comments = 'longer' WHERE lead_id = 7`);
      await site.remember();
      let round = 0;
      for (const step of steps) {
        await site.fill(verb);
        const visit = step === "finished" ? 1 : 1 + Math.floor(Math.random() * 3);
        const run = await runMover(site, verb, round++, { step, visit: step === "copied" ? 1 : visit });
        must(run.killed, `Nobody was killed at the step ${step}: ${run.said}`);
        killed++;
        const found = await site.check();
        duplicates += found.twins;
        if (found.inLive > 0 && found.inLive < ids.length) between++;
        const { said } = await runMover(site, verb, round++);
        must(/"failed":1,"unknown":0/.test(said), `The run after a kill at the step ${step} ended with ${said}`);
        const [left] = await site.query(`SELECT GROUP_CONCAT(lead_id) AS leads FROM ${from}`);
        must(String(left?.leads) === "7", `Leads ${left?.leads} are left after a kill at the step ${step}`);
        await site.check();
      }
    }
    must(between > 0, "No kill at a step fell between the first lead and the last");
    must(duplicates > 0 || (mix.live !== "MyISAM" && mix.archive !== "MyISAM"), "No kill fell between copy and delete");
    say(
      `${describeMix(mix)}: ${killed} movers killed at ${steps.join(", ")}, both verbs, ${between} with the leads in both tables, ${duplicates} leads doubled for the moment; the next run finished each`,
    );
  }
}

async function killServers(): Promise<void> {
  let met = 0;
  for (const mix of mixes) {
    const seen = { killed: 0, repaired: 0, duplicates: 0, between: 0 };
    await using site = await makeSite(mix);
    const host = await createHost({ databaseUrl: site.ledger });
    const vicidial = await createVicidial(host, { url: site.url, leadsPerLock: 40 });
    const submit = (round: number) => {
      const verb = verbs[round % 2] as Verb;
      return host.batches.submit({
        operation: `vicidial.leads.${verb}`,
        items: ids,
        params: makeParams(verb),
        inline: false,
      });
    };
    const started = performance.now();
    await host.batches.wait((await submit(0)).id);
    const ms = performance.now() - started;
    for (let round = 1; round <= servers / mixes.length; round++) {
      if (round % 2 === 1) await site.makeStale();
      const submitted = submit(round);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * ms));
      await server.kill();
      seen.killed++;
      await server.start();
      seen.repaired += await site.repair();
      const { twins: duplicates, inLive } = await site.check();
      seen.duplicates += duplicates;
      if (duplicates > 0 || (inLive > 0 && inLive < ids.length)) seen.between++;
      const batch = await host.batches.wait((await submitted).id);
      const { done, skipped, failed, unknown } = batch.counts;
      must(done + skipped === ids.length, `A batch ended with ${failed} failed, ${unknown} unknown: ${batch.error}`);
      const after = await site.check();
      must(after.twins === 0, "Leads are doubled after the batch");
      must(after.inLive === (round % 2 === 0 ? ids.length : 0), "Leads are not where the batch should have moved them");
    }
    await vicidial.close();
    await host.close();
    met += seen.between;
    say(
      `${describeMix(mix)}: MariaDB killed ${seen.killed} times, ${seen.between} times with the leads in both tables (${seen.duplicates} doubled for the moment), ${seen.repaired} tables repaired; each batch finished, none lost, none doubled in the end`,
    );
  }
  must(met > 0, "No kill of MariaDB fell between the first lead and the last");
}

type Site = Awaited<ReturnType<typeof makeSite>>;

async function amongWriters(): Promise<void> {
  const all = Array.from({ length: moves }, (_, index) => index + 1);
  let unlocked = 0;
  for (const mix of mixes) {
    for (const way of ["as we do it", "without a lock"]) {
      await using site = await makeSite(mix, all);
      await site.query(`UPDATE ${archive} SET called_count = 0`);
      const move = way === "as we do it" ? () => moveByUs(site, all) : () => moveWithoutLock(site, all);
      let stop = false;
      const writers = [1, 2, 3, 4].map((seed) => touch(site.url, seed, moves, () => stop));
      await move().finally(() => {
        stop = true;
      });
      const touched = (await Promise.all(writers)).reduce((sum, count) => sum + count, 0);
      const [counts] = await site.query(`SELECT
        (SELECT COUNT(*) FROM ${live} JOIN ${archive} USING (lead_id)) AS twins,
        (SELECT COUNT(*) FROM ${live}) AS inLive, (SELECT COUNT(*) FROM ${archive}) AS inArchive,
        (SELECT COALESCE(SUM(called_count), 0) FROM ${live}) + (SELECT COALESCE(SUM(called_count), 0) FROM ${archive}) AS kept`);
      const [duplicates, inLive, inArchive, kept] = ["twins", "inLive", "inArchive", "kept"].map((name) =>
        Number(counts?.[name]),
      ) as [number, number, number, number];
      const lost = moves - (inLive + inArchive - duplicates);
      say(
        `${describeMix(mix)}: ${moves} leads moved among four writers ${way}: ${touched} changes meanwhile, ${duplicates} stale twins, ${lost} lost`,
      );
      if (way === "without a lock") unlocked += duplicates;
      else {
        must(duplicates === 0 && lost === 0 && inLive === moves, `${inLive} leads are live, ${duplicates} twins`);
        must(touched > 0 && kept === touched, `${kept} of ${touched} changes are kept`);
      }
    }
  }
  must(unlocked > 0, "Without a lock nothing went wrong, so these writers prove nothing");
}

async function moveByUs(site: Site, all: number[]): Promise<void> {
  const host = await createHost({ databaseUrl: site.ledger, role: "web" });
  const vicidial = await createVicidial(host, { url: site.url });
  const operation = "vicidial.leads.dearchive";
  for (let start = 0; start < all.length; start += 500) {
    const items = all.slice(start, start + 500);
    const { counts } = await host.batches.submit({ operation, items, params: makeParams("dearchive"), inline: true });
    must(counts.done === items.length, `A batch ended as ${JSON.stringify(counts)}`);
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

/** Leads in a database of the server, to be moved by the verb, and a ledger of its own. */
async function makeSite(mix: Mix, leads = ids, verb: Verb = "dearchive") {
  const name = `proof_${randomBytes(4).toString("hex")}`;
  const url = Object.assign(new URL(server.url), { pathname: name }).href;
  const ledgerFolder = mkdtempSync(join(folder, "ledger-"));
  const first = await mysql.createConnection({ uri: server.url });
  await first.query(`CREATE DATABASE ${name} DEFAULT CHARACTER SET utf8mb3`);
  await first.end();
  let admin: Connection = await mysql.createConnection({ uri: url, dateStrings: true });
  for (const statement of leadTables(mix)) await admin.query(statement);
  await insertRows(
    admin,
    sides[verb].from,
    leads.map((id) => makeLead(id)),
  );
  const readRows = async (table: string) => {
    const [found] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table}`);
    return new Map(found.map((row) => [Number(row.lead_id), { ...row } as Record<string, unknown>]));
  };
  let before = await readRows(sides[verb].from);
  const isStale = (row: object, whole: object | undefined) =>
    JSON.stringify(row) === JSON.stringify({ ...whole, comments: "stale" });
  /** Puts stale copies of every tenth lead that is live alone into the archive. */
  async function makeStale(): Promise<void> {
    const there = await readRows(archive);
    const fresh = [...(await readRows(live)).values()].filter(
      ({ lead_id }) => Number(lead_id) % 10 === 0 && !there.has(Number(lead_id)),
    );
    await insertRows(
      admin,
      archive,
      fresh.map((row) => ({ ...row, comments: "stale" })),
    );
  }
  return {
    url,
    ledger: `sqlite:${join(ledgerFolder, "ledger.db")}`,
    makeStale,
    query: async (sql: string) => (await admin.query<RowDataPacket[]>(sql))[0],
    /** What is in the source now is what must be whole from now on. */
    async remember() {
      before = await readRows(sides[verb].from);
    },
    /** All leads lie in the source again, and nothing else. */
    async fill(verb: Verb) {
      for (const table of [live, archive]) await admin.query(`DELETE FROM ${table}`);
      await insertRows(admin, sides[verb].from, [...before.values()]);
      if (verb === "archive") await makeStale();
    },
    /** What an administrator does after a crash: MyISAM keeps its index in the server's memory. */
    async repair() {
      admin.destroy();
      admin = await mysql.createConnection({ uri: url, dateStrings: true });
      const [checked] = await admin.query<RowDataPacket[]>(`CHECK TABLE ${live}, ${archive}`);
      const damaged = new Set(checked.filter((row) => row.Msg_type === "error").map((row) => String(row.Table)));
      for (const table of damaged) await admin.query(`REPAIR TABLE ${table}`);
      return damaged.size;
    },
    /** Throws where a lead is not whole in one of the tables. A copy in the archive may be one that we made stale. */
    async check() {
      // Together: a mover's last statements may be under way, though nobody is there any more to hear of them.
      await admin.query(`LOCK TABLES ${live} READ, ${archive} READ`);
      const [inLive, inArchive] = [await readRows(live), await readRows(archive)];
      await admin.query("UNLOCK TABLES");
      let duplicates = 0;
      for (const [id, row] of before) {
        const [here, there] = [inLive.get(id), inArchive.get(id)];
        const whole = [here, there].filter((copy) => JSON.stringify(copy) === JSON.stringify(row)).length;
        must(whole > 0, `Lead ${id} is lost: ${JSON.stringify([here, there])}`);
        must(whole === 2 || !here || !there || isStale(there, row), `Lead ${id} is not as it was`);
        if (whole === 2) duplicates++;
      }
      return { twins: duplicates, inLive: inLive.size };
    },
    async [Symbol.asyncDispose]() {
      await admin.end();
    },
  };
}
