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
 * The crash test of VICIdial moves. Kills a mover of leads at random and at each step, and a private MariaDB at random. Checks after
 * each kill that every lead is intact in one of the two tables, and that the next run finishes the move. Then four writers change
 * leads while these are moved, by us and by the same statements without a lock. Exits with 1 if a lead is lost or changed, or if
 * no kill hit a move. Usage: vicidial-proof.ts [kills of the mover] [kills of MariaDB] [leads moved among writers]
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

const print = (line: string) => process.stdout.write(`${line}\n`);

function assertThat(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

const folder = mkdtempSync(join(tmpdir(), "reinstate-proof-"));
const server = await privateMariadb([]);
try {
  await killMovers();
  await killAtSteps();
  await killServers();
  await moveAmongWriters();
} finally {
  server.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Moves the leads in another process, which is killed after some milliseconds or at a visit of a step. */
function runMover(
  site: Site,
  verb: Verb,
  round: number,
  kill: { afterMs?: number; step?: string; visit?: number } = {},
): Promise<{ killed: boolean; ms: number; output: string }> {
  const source = (path: string) => JSON.stringify(new URL(`../../packages/vicidial/src/${path}`, import.meta.url).href);
  // The clock of a later round is ahead, so the claims of a killed mover have expired.
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
      ledger: site.ledger,
      url: site.url,
      verb,
      round,
      ids,
      params: makeParams(verb),
      ...at,
    });
    // The compile cache saves each process from compiling the sources, which takes longer than the move.
    const mover = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", child], {
      cwd: import.meta.dirname,
      env: { ...process.env, MOVE, NODE_COMPILE_CACHE: join(folder, "compiled") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let started = 0;
    let output = "";
    mover.stdout?.on("data", (text) => {
      if (output === "") {
        started = performance.now();
        if (afterMs !== undefined) setTimeout(() => mover.kill("SIGKILL"), afterMs);
      }
      output += text;
    });
    mover.on("exit", (_code, signal) =>
      resolve({ killed: signal === "SIGKILL", ms: performance.now() - started, output }),
    );
  });
}

/** Moves leads back and forth, with an update before each archiving, and kills movers at random times. */
async function killMovers(): Promise<void> {
  for (const mix of mixes) {
    const seen = { killed: 0, finished: 0, between: 0 };
    await using site = await makeSite(mix);
    // The duration of a move on this machine.
    let { ms } = await runMover(site, "dearchive", 0);
    let round = 1;
    // A mover that finished before its kill does not count.
    for (; seen.killed < movers / mixes.length; round++) {
      const verb = verbs[round % 2] as Verb;
      if (verb === "archive") await site.makeStale();
      const run = await runMover(site, verb, round, { afterMs: Math.random() * ms });
      const { killed } = run;
      if (killed) seen.killed++;
      else {
        seen.finished++;
        if (run.output.includes(`"done":${ids.length}`)) ms = Math.min(ms, run.ms);
      }
      const { inLive, duplicates } = await site.check();
      if (killed && (duplicates > 0 || (inLive > 0 && inLive < ids.length))) seen.between++;
    }
    await runMover(site, "archive", round);
    await runMover(site, "dearchive", round + 1);
    assertThat((await site.check()).inLive === ids.length, "The last run did not move every lead");
    assertThat((await site.check()).duplicates === 0, "Leads are duplicated after the last run");
    assertThat(seen.between > 0 || seen.killed < 10, "No mover was killed between the first lead and the last");
    print(
      `${describeMix(mix)}: ${seen.killed} movers killed at random, ${seen.between} of them with the leads split between the tables, ${seen.finished} finished before the kill; no lead lost or duplicated`,
    );
  }
}

/** Kills movers at each step. One lead does not fit, so that there is a step between the copy and the delete. */
async function killAtSteps(): Promise<void> {
  for (const mix of mixes) {
    let [killed, duplicates, between] = [0, 0, 0];
    for (const verb of verbs) {
      const { from, to } = sides[verb];
      await using site = await makeSite(mix, ids, verb);
      await site.query(`ALTER TABLE ${to} MODIFY comments VARCHAR(5)`);
      await site.query(`UPDATE ${from} SET comments = 'longer' WHERE lead_id = 7`);
      await site.takeSnapshot();
      let round = 0;
      for (const step of steps) {
        await site.fill(verb);
        const visit = step === "finished" ? 1 : 1 + Math.floor(Math.random() * 3);
        const run = await runMover(site, verb, round++, { step, visit: step === "copied" ? 1 : visit });
        assertThat(run.killed, `No mover was killed at step ${step}: ${run.output}`);
        killed++;
        const found = await site.check();
        duplicates += found.duplicates;
        if (found.inLive > 0 && found.inLive < ids.length) between++;
        const { output } = await runMover(site, verb, round++);
        assertThat(/"failed":1,"unknown":0/.test(output), `The run after a kill at step ${step} ended with ${output}`);
        const [left] = await site.query(`SELECT GROUP_CONCAT(lead_id) AS leads FROM ${from}`);
        assertThat(
          String(left?.leads) === "7",
          `Leads ${left?.leads} are left after a kill at step ${step}, expected 7`,
        );
        await site.check();
      }
    }
    assertThat(between > 0, "No kill at a step hit between the first lead and the last");
    assertThat(
      duplicates > 0 || (mix.live !== "MyISAM" && mix.archive !== "MyISAM"),
      "No kill hit between copy and delete",
    );
    print(
      `${describeMix(mix)}: ${killed} movers killed at ${steps.join(", ")}, both verbs, ${between} with the leads split between the tables, ${duplicates} leads duplicated after the kill; the next run finished each`,
    );
  }
}

/** Kills MariaDB at random times during batches. */
async function killServers(): Promise<void> {
  let hits = 0;
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
      const { duplicates, inLive } = await site.check();
      seen.duplicates += duplicates;
      if (duplicates > 0 || (inLive > 0 && inLive < ids.length)) seen.between++;
      const batch = await host.batches.wait((await submitted).id);
      const { done, skipped, failed, unknown } = batch.counts;
      assertThat(
        done + skipped === ids.length,
        `A batch ended with ${failed} failed, ${unknown} unknown: ${batch.error}`,
      );
      const after = await site.check();
      assertThat(after.duplicates === 0, "Leads are duplicated after the batch");
      assertThat(after.inLive === (round % 2 === 0 ? ids.length : 0), "The batch did not move every lead");
    }
    await vicidial.close();
    await host.close();
    hits += seen.between;
    print(
      `${describeMix(mix)}: MariaDB killed ${seen.killed} times, ${seen.between} times with the leads split between the tables (${seen.duplicates} leads duplicated after the kill), ${seen.repaired} tables repaired; each batch finished, no lead lost or duplicated`,
    );
  }
  assertThat(hits > 0, "No kill of MariaDB hit between the first lead and the last");
}

type Site = Awaited<ReturnType<typeof makeSite>>;

/** Moves leads while four writers change them, with our locks and without. */
async function moveAmongWriters(): Promise<void> {
  const all = Array.from({ length: moves }, (_, index) => index + 1);
  let unlocked = 0;
  for (const mix of mixes) {
    for (const way of ["with our locks", "without a lock"]) {
      await using site = await makeSite(mix, all);
      await site.query(`UPDATE ${archive} SET called_count = 0`);
      const move = way === "with our locks" ? () => moveByUs(site, all) : () => moveWithoutLock(site, all);
      let stop = false;
      const writers = [1, 2, 3, 4].map((seed) => touch(site.url, seed, moves, () => stop));
      await move().finally(() => {
        stop = true;
      });
      const touched = (await Promise.all(writers)).reduce((sum, count) => sum + count, 0);
      const [counts] = await site.query(`SELECT
        (SELECT COUNT(*) FROM ${live} JOIN ${archive} USING (lead_id)) AS duplicates,
        (SELECT COUNT(*) FROM ${live}) AS inLive, (SELECT COUNT(*) FROM ${archive}) AS inArchive,
        (SELECT COALESCE(SUM(called_count), 0) FROM ${live}) + (SELECT COALESCE(SUM(called_count), 0) FROM ${archive}) AS kept`);
      const [duplicates, inLive, inArchive, kept] = ["duplicates", "inLive", "inArchive", "kept"].map((name) =>
        Number(counts?.[name]),
      ) as [number, number, number, number];
      const lost = moves - (inLive + inArchive - duplicates);
      print(
        `${describeMix(mix)}: ${moves} leads moved among four writers ${way}: ${touched} concurrent changes, ${duplicates} stale duplicates, ${lost} lost`,
      );
      if (way === "without a lock") unlocked += duplicates;
      else {
        assertThat(
          duplicates === 0 && lost === 0 && inLive === moves,
          `${inLive} leads are live, ${duplicates} duplicated, ${lost} lost`,
        );
        assertThat(touched > 0 && kept === touched, `${kept} of ${touched} changes were kept`);
      }
    }
  }
  assertThat(unlocked > 0, "No duplicate appeared without a lock, so the writers do not test the locks");
}

async function moveByUs(site: Site, all: number[]): Promise<void> {
  const host = await createHost({ databaseUrl: site.ledger, role: "web" });
  const vicidial = await createVicidial(host, { url: site.url });
  const operation = "vicidial.leads.dearchive";
  for (let start = 0; start < all.length; start += 500) {
    const items = all.slice(start, start + 500);
    const { counts } = await host.batches.submit({ operation, items, params: makeParams("dearchive"), inline: true });
    assertThat(counts.done === items.length, `A batch ended as ${JSON.stringify(counts)}`);
  }
  await vicidial.close();
  await host.close();
}

/** Moves fifty leads at a time by the same insert and the same verified delete, but without a lock. */
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

/** Changes leads of both tables until it is stopped. Returns the number of changes. */
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
      // With row locks the writer may be the victim of a deadlock.
      if ((error as { code?: string }).code !== "ER_LOCK_DEADLOCK") throw error;
    }
  }
  await writer.end();
  return touched;
}

/** Creates a database with leads in the source table of the verb, and a ledger. */
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
  /** Adds stale copies of every tenth lead that is only live to the archive. */
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
    /** Takes the source table as the expected content. */
    async takeSnapshot() {
      before = await readRows(sides[verb].from);
    },
    /** Resets both tables to the leads of the source. */
    async fill(verb: Verb) {
      for (const table of [live, archive]) await admin.query(`DELETE FROM ${table}`);
      await insertRows(admin, sides[verb].from, [...before.values()]);
      if (verb === "archive") await makeStale();
    },
    /** Repairs tables as an administrator does after a crash, because MyISAM keeps its index in memory. Returns the number of them. */
    async repair() {
      admin.destroy();
      admin = await mysql.createConnection({ uri: url, dateStrings: true });
      const [checked] = await admin.query<RowDataPacket[]>(`CHECK TABLE ${live}, ${archive}`);
      const damaged = new Set(checked.filter((row) => row.Msg_type === "error").map((row) => String(row.Table)));
      for (const table of damaged) await admin.query(`REPAIR TABLE ${table}`);
      return damaged.size;
    },
    /** Counts the duplicates and the live leads. @throws if a lead is intact in neither table, apart from stale copies. */
    async check() {
      // Locks both tables at once, because the last statements of a killed mover may still be running.
      await admin.query(`LOCK TABLES ${live} READ, ${archive} READ`);
      const [inLive, inArchive] = [await readRows(live), await readRows(archive)];
      await admin.query("UNLOCK TABLES");
      let duplicates = 0;
      for (const [id, row] of before) {
        const [here, there] = [inLive.get(id), inArchive.get(id)];
        const whole = [here, there].filter((copy) => JSON.stringify(copy) === JSON.stringify(row)).length;
        assertThat(whole > 0, `Lead ${id} is lost: ${JSON.stringify([here, there])}`);
        assertThat(whole === 2 || !here || !there || isStale(there, row), `Lead ${id} was changed`);
        if (whole === 2) duplicates++;
      }
      return { duplicates, inLive: inLive.size };
    },
    async [Symbol.asyncDispose]() {
      await admin.end();
    },
  };
}
