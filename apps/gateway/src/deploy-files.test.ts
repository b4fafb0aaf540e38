import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findHaproxy, findNginx, findSystemdAnalyze } from "@reinstate/tooling/services";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { listVariables, readSettings } from "./config.ts";
import { composeSchema } from "./testing/compose-schema.ts";
import { vendors } from "./testing/demo-gateway.ts";

const folder = fileURLToPath(new URL("../../../deploy/", import.meta.url));
const read = (file: string) => readFileSync(join(folder, file), "utf8");

/** Checks settings as the start does. Values that are files of secrets get a plausible content. */
function checkSettings(given: Record<string, string>): void {
  const secrets: Record<string, string> = {
    REINSTATE_DATABASE_URL_FILE: "postgres://reinstate:secret@postgres/reinstate",
    REINSTATE_VICIDIAL_URL_FILE: "mysql://root:secret@mariadb/asterisk",
  };
  const env = Object.entries(given).map(([name, value]) =>
    name in secrets ? [name.replace(/_FILE$/, ""), secrets[name] as string] : [name, value],
  );
  readSettings({ env: Object.fromEntries(env) as Record<string, string>, vendors });
}

/** Runs the work in a folder with a certificate, which is removed at the end. */
function withCertificate<Result>(work: (folder: string) => Result): Result {
  const path = mkdtempSync(join(tmpdir(), "reinstate-proxy-"));
  try {
    const [key, certificate] = [join(path, "reinstate.key"), join(path, "certificate.pem")];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=test",
        "-keyout",
        key,
        "-out",
        certificate,
      ],
      { stdio: "ignore" },
    );
    writeFileSync(join(path, "reinstate.pem"), readFileSync(certificate, "utf8") + readFileSync(key, "utf8"));
    return work(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

describe("compose.yaml", () => {
  const compose = composeSchema.parse(parse(read("compose.yaml")));
  const { gateway } = compose.services;

  test.each<[fault: string, from: string, to: string]>([
    ["a misspelt key", "read_only: true", "readonly: true"],
    ["an unknown restart policy", "restart: unless-stopped", "restart: sometimes"],
    ["a duration without a unit", "stop_grace_period: 30s", "stop_grace_period: 30"],
    ["a setting that is no text", 'REINSTATE_GRACE_SECONDS: "20"', "REINSTATE_GRACE_SECONDS: 20"],
    ["a port without a number", "127.0.0.1:8787:8787", "127.0.0.1:http"],
    ["a condition that does not exist", "condition: service_healthy", "condition: healthy"],
    ["an image without a tag", "postgres:18", "postgres"],
    ["a wait for a service that has no health check", "postgres: { condition", "backup: { condition"],
    ["a key of its own at the top", "name: reinstate", "name: reinstate\nversion: 3"],
  ])("is rejected with %s", (_, from, to) => {
    const text = read("compose.yaml");
    expect(text).toContain(from);
    expect(composeSchema.safeParse(parse(text.replace(from, to))).success).toBe(false);
  });

  test("has settings that the gateway accepts", () => {
    const environment = gateway?.environment ?? {};
    expect(Object.keys(environment).length).toBeGreaterThan(3);
    expect(() => checkSettings(environment)).not.toThrow();
    expect(() => checkSettings({ ...environment, REINSTATE_METRIC: "0.0.0.0:1" })).toThrow("not a setting");
  });

  test("refers only to what it declares", () => {
    for (const { secrets = [], volumes = [], depends_on = {} } of Object.values(compose.services)) {
      expect(Object.keys(compose.secrets)).toEqual(expect.arrayContaining(secrets));
      expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining(volumes.map((text) => text.split(":")[0])));
      expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(Object.keys(depends_on)));
    }
    const { context = "", dockerfile = "" } = gateway?.build ?? {};
    expect(existsSync(join(folder, context, dockerfile))).toBe(true);
  });

  test("runs the gateway read-only, without capabilities, with enough grace", () => {
    expect(gateway).toMatchObject({ read_only: true, cap_drop: ["ALL"], security_opt: ["no-new-privileges:true"] });
    const grace = Number(gateway?.environment?.REINSTATE_GRACE_SECONDS);
    expect(Number.parseInt(String(gateway?.stop_grace_period), 10)).toBeGreaterThan(grace);
  });

  test("holds no secret", () => {
    const names = Object.values(compose.services).flatMap(({ environment = {} }) => Object.keys(environment));
    expect(names.filter((name) => /(PASSWORD|URL|KEY|TOKEN)$/.test(name))).toEqual([]);
  });
});

describe("reinstate.service", () => {
  const unit = read("systemd/reinstate.service");

  test("has an exposure of at most 3.0", () => {
    const args = [
      "security",
      "--offline=true",
      "--no-pager",
      "--threshold=30",
      join(folder, "systemd/reinstate.service"),
    ];
    const { status, stdout, stderr } = spawnSync(findSystemdAnalyze(), args, { encoding: "utf8" });
    expect([status, stdout.trim().split("\n").at(-1), stderr]).toEqual([
      0,
      expect.stringMatching(/exposure level.*: [0-2]\.\d/),
      "",
    ]);
  });

  test("has settings that the gateway accepts and enough time to stop", () => {
    const environment = Object.fromEntries(
      [...unit.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(() => checkSettings(environment as Record<string, string>)).not.toThrow();
    const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? [];
    expect(Number(seconds)).toBeGreaterThan(Number(environment.REINSTATE_GRACE_SECONDS));
  });
});

describe("the examples of proxies", () => {
  test("are accepted by nginx", () => {
    withCertificate((path) => {
      const host = read("proxy/nginx.conf").replaceAll("/etc/ssl", path);
      const file = join(path, "nginx.conf");
      writeFileSync(file, `pid ${path}/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n${host}}\n`);
      const { status, stderr } = spawnSync(findNginx(), ["-t", "-c", file], { encoding: "utf8" });
      expect([status, stderr]).toEqual([0, expect.stringContaining("test is successful")]);
    });
  });

  test("are accepted by HAProxy", () => {
    withCertificate((path) => {
      const file = join(path, "haproxy.cfg");
      writeFileSync(file, read("proxy/haproxy.cfg").replaceAll("/etc/ssl", path));
      const { status, stdout, stderr } = spawnSync(findHaproxy(), ["-c", "-f", file], { encoding: "utf8" });
      expect([status, stdout + stderr]).toEqual([0, expect.stringContaining("Configuration file is valid")]);
    });
  });

  test("keep a connection for less time than the gateway does", () => {
    const { keepAliveSeconds } = readSettings({ env: {}, vendors });
    const [, nginx] = /keepalive_timeout (\d+)s/.exec(read("proxy/nginx.conf")) ?? [];
    const [, haproxy] = /timeout http-keep-alive (\d+)s/.exec(read("proxy/haproxy.cfg")) ?? [];
    for (const seconds of [nginx, haproxy]) expect(Number(seconds)).toBeLessThan(keepAliveSeconds);
  });
});

describe("the files of deploy/", () => {
  test("name only settings that exist", () => {
    const known = new Set(listVariables(vendors));
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const text = files.map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8")).join("\n");
    const named = [...text.matchAll(/\bREINSTATE_[A-Z_]+\b/g)].map(([name]) => name.replace(/_FILE$/, ""));
    expect(new Set(named).size).toBeGreaterThan(5);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});
