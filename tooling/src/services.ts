import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import mysql from "mysql2/promise";
import pg from "pg";
import { makeFolder } from "./run-folder.ts";

/** A database server that lets us in, found or started for the tests. */
export interface Service {
  url: string;
  stop(): void;
}

/** A program that the tests need. */
interface Installable {
  name: string;
  /** The variable that names a server, or the path of a program. */
  variable: string;
  /** Where a server that others started may be used. */
  standardUrl?: string;
  /** The path of the program, where it is installed. */
  installed(): string | undefined;
  /** The distribution's packages. */
  packages: string[];
}

interface Recipe extends Installable {
  answers(url: string): Promise<boolean>;
  /** Makes an empty data folder; answers how a server on it is started, with options of its own. */
  prepare(binary: string, folder: string, port: number, options: string[]): { url: string; launch(): ChildProcess };
}

/**
 * Finds or starts a server, in the order that the README names: the variable, the standard port, an installed binary, the
 * distribution's package. Throws one line that names these ways.
 */
async function find(recipe: Recipe): Promise<Service> {
  const given = process.env[recipe.variable];
  if (given) {
    if (await recipe.answers(given)) return { url: given, stop() {} };
    throw new Error(`${recipe.variable} is set, but no ${recipe.name} answers there`);
  }
  const { standardUrl } = recipe;
  if (standardUrl && (await recipe.answers(standardUrl))) return { url: standardUrl, stop() {} };
  return startPrivate(recipe, installedBinary(recipe));
}

/** The program of an installed server; on Debian or Ubuntu as root the distribution's package is installed where there is none. */
function installedBinary(recipe: Installable): string {
  let binary = recipe.installed();
  if (!binary && existsSync("/usr/bin/apt-get") && process.getuid?.() === 0) {
    const options = { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const;
    try {
      execFileSync("apt-get", ["update"], options);
      // Another test file may be installing something at the same time.
      const wait = ["-o", "DPkg::Lock::Timeout=300"];
      execFileSync("apt-get", [...wait, "install", "-y", "--no-install-recommends", ...recipe.packages], options);
    } catch {
      // The line below tells what can be done.
    }
    binary = recipe.installed();
  }
  if (binary) return binary;
  throw new Error(
    `The tests need a ${recipe.name}: set ${recipe.variable}, ${recipe.standardUrl ? `or start one at ${recipe.standardUrl}, ` : ""}or install one (on Debian: apt-get install ${recipe.packages.join(" ")})`,
  );
}

/** A server of one's own that can be killed and started again on the same data. */
export interface PrivateService extends Service {
  /** As if the power had gone. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Stops all its processes, which then answer nothing and keep every connection open; `resume` lets them go on. */
  pause(): void;
  resume(): void;
  start(): Promise<void>;
}

/** A PostgreSQL of one test's own, whatever server the other tests use. */
export const privatePostgres = () => startPrivate(postgres, installedBinary(postgres));

/** A MariaDB of one test's own, with options of its own (`--log-bin`). */
export const privateMariadb = (options: string[]) => startPrivate(mariadb, installedBinary(mariadb), options);

/** A PgBouncer of one test's own. */
export interface PgbouncerService extends Service {
  /** Whether this version can keep prepared statements in transaction mode (`max_prepared_statements`, since 1.21). */
  keepsPreparedStatements: boolean;
}

/** A PgBouncer in front of the server at `url`, with settings of its own (`pool_mode = transaction`). */
export async function privatePgbouncer(url: string, settings: string[]): Promise<PgbouncerService> {
  const recipe = makePgbouncer(new URL(url));
  const binary = installedBinary(recipe);
  const version = execFileSync(binary, ["--version"], { encoding: "utf8" });
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(version) ?? [];
  const service = await startPrivate(recipe, binary, settings);
  return { ...service, keepsPreparedStatements: Number(major) > 1 || Number(minor) >= 21 };
}

async function startPrivate(recipe: Recipe, binary: string, options: string[] = []): Promise<PrivateService> {
  const folder = makeFolder("reinstate-service-");
  const { url, launch } = recipe.prepare(binary, folder, await freePort(), options);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    child = launch();
    const deadline = Date.now() + 240_000;
    while (!(await recipe.answers(url))) {
      if (Date.now() > deadline) {
        throw new Error(`A private ${recipe.name} was started in ${folder}, but it does not answer`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      // After a kill the children of the dead one may hold its data for a moment.
      if (child.exitCode !== null) child = launch();
    }
  }

  const signal = (name: NodeJS.Signals) => {
    for (const pid of child?.pid === undefined ? [] : listFamily(child.pid)) process.kill(pid, name);
  };

  await start();
  return {
    url,
    start,
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    async kill() {
      const gone = child && new Promise((resolve) => child?.once("exit", resolve));
      child?.kill("SIGKILL");
      await gone;
    },
    stop() {
      child?.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A process and its children. */
function listFamily(pid: number): number[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const rows = table.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  return [pid, ...rows.flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []))];
}

/** Returns the path of a program: that of the variable, or an installed one, or that of the distribution's package. */
function findProgram(program: string, name: string, variable: string, packages: string[], folder = "/usr/bin"): string {
  const given = process.env[variable];
  const installed = () => [join(folder, program)].find((path) => existsSync(path)) ?? inPath(program);
  return given ?? installedBinary({ name, variable, packages, installed });
}

/** Returns the path of `promtool`, which checks metrics and alert rules. */
export const findPromtool = (): string =>
  findProgram("promtool", "promtool of Prometheus", "TEST_PROMTOOL", ["prometheus"]);

/** Returns the path of `nginx`. */
export const findNginx = (): string => findProgram("nginx", "nginx", "TEST_NGINX", ["nginx"], "/usr/sbin");

/** Returns the path of `haproxy`. */
export const findHaproxy = (): string => findProgram("haproxy", "HAProxy", "TEST_HAPROXY", ["haproxy"], "/usr/sbin");

/** Returns the path of `systemd-analyze`. */
export const findSystemdAnalyze = (): string =>
  findProgram("systemd-analyze", "systemd-analyze", "TEST_SYSTEMD_ANALYZE", ["systemd"]);

/** Returns the path of `bwrap`, which runs a program in a sandbox. */
export const findBubblewrap = (): string => findProgram("bwrap", "bubblewrap", "TEST_BWRAP", ["bubblewrap"]);

/** Returns the path of Chromium, the browser of the tests. */
export const findChromium = (): string => findProgram("chromium", "Chromium", "TEST_CHROMIUM", ["chromium"]);

export const findPostgres = () => find(postgres);
export const findMariadb = () => find(mariadb);

const postgres: Recipe = {
  name: "PostgreSQL",
  variable: "TEST_POSTGRES_URL",
  standardUrl: "postgres://postgres@127.0.0.1:5432/postgres",
  packages: ["postgresql"],
  async answers(url) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000 });
    return answered(
      async () => {
        await client.connect();
        await client.query("select 1");
      },
      () => client.end(),
    );
  },
  installed() {
    const root = "/usr/lib/postgresql";
    const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
    return (
      versions.map((version) => `${root}/${version}/bin/postgres`).find((path) => existsSync(path)) ??
      inPath("postgres")
    );
  },
  prepare(binary, folder, port) {
    const data = join(folder, "data");
    // PostgreSQL refuses to run as root.
    const user = process.getuid?.() === 0 ? { uid: readId("-u", "postgres"), gid: readId("-g", "postgres") } : {};
    if ("uid" in user) execFileSync("chown", [`${user.uid}:${user.gid}`, folder]);
    execFileSync(
      binary.replace(/postgres$/, "initdb"),
      ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
      {
        stdio: "ignore",
        ...user,
      },
    );
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      launch: () =>
        spawn(binary, ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", folder], { stdio: "ignore", ...user }),
    };
  },
};

const makePgbouncer = (server: URL): Recipe => ({
  answers: postgres.answers,
  name: "PgBouncer",
  /** The path of a binary. */
  variable: "TEST_PGBOUNCER",
  packages: ["pgbouncer"],
  installed: () =>
    [process.env.TEST_PGBOUNCER ?? "/usr/sbin/pgbouncer"].find((path) => existsSync(path)) ?? inPath("pgbouncer"),
  prepare(binary, folder, port, settings) {
    const { hostname, port: serverPort, username, password } = server;
    const login = `user=${decodeURIComponent(username)}${password && ` password=${decodeURIComponent(password)}`}`;
    const file = join(folder, "pgbouncer.ini");
    const own = ["listen_addr = 127.0.0.1", `listen_port = ${port}`, "unix_socket_dir =", "auth_type = any"];
    const lines = [
      "[databases]",
      `* = host=${hostname} port=${serverPort || 5432} ${login}`,
      "[pgbouncer]",
      ...own,
      ...settings,
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    // PgBouncer refuses to run as root.
    const user = process.getuid?.() === 0 ? { uid: readId("-u", "postgres"), gid: readId("-g", "postgres") } : {};
    if ("uid" in user) execFileSync("chown", ["-R", `${user.uid}:${user.gid}`, folder]);
    const url = new URL(server);
    url.host = `127.0.0.1:${port}`;
    return { url: url.href, launch: () => spawn(binary, [file], { stdio: "ignore", ...user }) };
  },
});

const mariadb: Recipe = {
  name: "MariaDB",
  variable: "TEST_MARIADB_URL",
  standardUrl: "mysql://root@127.0.0.1:3306/",
  packages: ["mariadb-server"],
  async answers(url) {
    let connection: mysql.Connection | undefined;
    return answered(
      async () => {
        connection = await mysql.createConnection({ uri: url, connectTimeout: 3000 });
        await connection.query("select 1");
      },
      () => connection?.end(),
    );
  },
  installed: () => ["/usr/sbin/mariadbd", "/usr/sbin/mysqld"].find((path) => existsSync(path)) ?? inPath("mariadbd"),
  prepare(binary, folder, port, options) {
    const data = join(folder, "data");
    const user = process.getuid?.() === 0 ? ["--user=root"] : [];
    execFileSync(
      "mariadb-install-db",
      ["--no-defaults", `--datadir=${data}`, "--auth-root-authentication-method=normal", "--skip-test-db", ...user],
      { stdio: "ignore" },
    );
    // A server that starts takes away what lies in its folder of temporary files, so no two may share one.
    const own = [`--datadir=${data}`, `--socket=${join(folder, "socket")}`, `--tmpdir=${folder}`];
    const args = [...own, `--port=${port}`, ...user, ...options];
    return {
      url: `mysql://root@127.0.0.1:${port}/`,
      launch: () => spawn(binary, ["--no-defaults", "--bind-address=127.0.0.1", ...args], { stdio: "ignore" }),
    };
  },
};

async function answered(ask: () => Promise<void>, end: () => unknown): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch {
    return false;
  } finally {
    await Promise.resolve(end()).catch(() => {});
  }
}

function inPath(program: string): string | undefined {
  return (process.env.PATH ?? "")
    .split(":")
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}

function readId(flag: "-u" | "-g", user: string): number {
  return Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
}

/**
 * Finds a port that no process listens on, below the range from which systems take the ports of clients: between this answer
 * and the start of a server, a client of another test must not get it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
