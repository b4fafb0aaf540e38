import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHost } from "@reinstate/batch-core";
import { afterAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { vendors } from "./all-vendors.ts";
import { readSettings } from "./config.ts";

const secret = "s3cr3t";
const folder = mkdtempSync(join(tmpdir(), "reinstate-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const emptyFile = join(folder, "empty.pem");
writeFileSync(emptyFile, "");

/** The line that stops the start; undefined if the settings are valid. */
function findFault(env: Record<string, string>): string | undefined {
  try {
    readSettings({ env, vendors });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const mysqlForm =
  "must be of the form mysql://user:password@host:3306/database, with special characters percent-encoded";
const percent = "has a % without two hexadecimal digits; write a % as %25";
const unknown = (name: string) => `has the unknown parameter ${name}; the known ones are`;

describe("a database URL", () => {
  test.each([
    [`mysql://cron:${secret}%@db/asterisk`, percent],
    [`mysql://cron:${secret}%zz@db/asterisk`, percent],
    [`mysql://cron:${secret}%ff@db/asterisk`, "has percent-encoded bytes that are not UTF-8"],
    [`mysql://cron:${secret}#1@db/asterisk`, "has a #; write it as %23"],
    [`mysql://cron:${secret}/1@db/asterisk`, mysqlForm],
    [`mysql://cron:12/${secret}@db/asterisk`, mysqlForm],
    [`mysql://cron:12?${secret}@db/asterisk`, "has the unknown parameter; the known ones are"],
    [`mysql://cron:${secret}@db`, mysqlForm],
    [`mysql://cron:${secret}@/asterisk`, mysqlForm],
    [`mysql://cron:${secret}@db:99999/asterisk`, mysqlForm],
    [`mysql://cron:${secret}@db/asterisk\n`, mysqlForm],
    [`mysql:cron:${secret}@db/asterisk`, mysqlForm],
    [`postgres://cron:${secret}@db/asterisk`, mysqlForm],
    [`mysql://cron:${secret}@db/asterisk?ssl=true`, unknown("ssl")],
    [`mysql://cron:${secret}@db/asterisk?sslmode=require`, unknown("sslmode")],
    [`mysql://cron:${secret}@db/asterisk?SSL-MODE=REQUIRED`, unknown("SSL-MODE")],
    [`mysql://cron:${secret}@db/asterisk?ssl-mode=REQUIRED&`, undefined],
    [`mysql://cron:${secret}@db/asterisk?ssl-mode=REQUIRED&charset=utf8`, unknown("charset")],
    [`mysql://cron:${secret}@db/asterisk?ssl-mode`, "has the parameter ssl-mode, which must not be empty"],
    [`mysql://cron:${secret}@db/asterisk?ssl-mode=`, "has the parameter ssl-mode, which must not be empty"],
    [`mysql://cron:${secret}@db/asterisk?ssl-mode=YES`, "has the parameter ssl-mode, which must be one of DISABLED,"],
    [`mysql://cron:${secret}@db/asterisk?ssl-mode=REQUIRED&ssl-mode=DISABLED`, "has the parameter ssl-mode twice"],
    [`mysql://cron:${secret}@db/asterisk?ssl-mode=VERIFY_CA`, "needs ssl-ca for VERIFY_CA"],
    [`mysql://cron:${secret}@db/asterisk?ssl-ca=`, "has the parameter ssl-ca, which must not be empty"],
    [
      `mysql://cron:${secret}@db/asterisk?ssl-ca=/nowhere/ca.pem`,
      "names the file /nowhere/ca.pem, which cannot be used (ENOENT)",
    ],
    [`mysql://cron:${secret}@db/asterisk?ssl-ca=${emptyFile}`, `names the file ${emptyFile}, which cannot be used (`],
    [`mysql://cron:12?ssl-mode=1&${secret}=x@db/asterisk`, "has the parameter ssl-mode, which must be one of"],
    [`mysql://cron:x@12/a?${secret}=1@db/asterisk`, "has the unknown parameter; the known ones are"],
    [`mysql://cron:${secret}@db/asterisk?ssl-mode=required`, undefined],
    [`mariadb://cron:a%25b%3F${secret}@[::1]:3307/asterisk?ssl-mode=PREFERRED`, undefined],
  ])("of VICIdial is checked: %j", (url, fault) => {
    const line = findFault({ REINSTATE_VICIDIAL_URL: url });
    if (fault === undefined) expect(line).toBeUndefined();
    else expect(line).toContain(fault);
    if (fault !== undefined) expect(line).toMatch(/^REINSTATE_VICIDIAL_URL /);
    expect(line ?? "").not.toContain(secret);
  });

  test.each([
    [`postgres://u:${secret}%@db/reinstate`, percent],
    [`postgres://u:${secret}%ff@db/reinstate`, "has percent-encoded bytes that are not UTF-8"],
    [`postgres://u:${secret}@db:port/reinstate`, "must be of the form postgres://user:password@host:5432/database"],
    [`postgres://`, "must be of the form postgres://"],
    [`oracle://u:${secret}@db/reinstate`, "must be sqlite:PATH or postgres://…"],
    [secret, "must be sqlite:PATH or postgres://…"],
    [`postgres://u:${secret}@db/reinstate?ssl-mode=require`, unknown("ssl-mode")],
    [`postgres://u:${secret}@db/reinstate?sslmode=requre`, "has the parameter sslmode, which must be one of disable,"],
    [`postgres://u:${secret}@db/reinstate?sslmode=require&sslmode=disable`, "has the parameter sslmode twice"],
    [
      `postgres://u:${secret}@db/reinstate?sslrootcert=/nowhere.pem`,
      "names the file /nowhere.pem, which cannot be used",
    ],
    [`postgres://u:${secret}@db/reinstate?pgbouncer=true`, unknown("pgbouncer")],
    [`postgres://u:${secret}@db/reinstate?statement_timeout=soon`, "must be a number of milliseconds"],
    ["sqlite:", "names no file after sqlite:"],
    ["sqlite:./x.db?mode=ro", "has the parameter mode; sqlite:PATH takes none"],
    ["sqlite::memory:?cache=shared", "has the parameter cache; sqlite:PATH takes none"],
    ["sqlite:./x.db?", "has the parameter"],
    ["sqlite://x.db", "must be of the form sqlite:PATH, without // before the path"],
    ["sqlite:./100% sure#1.db", undefined],
    ["postgres:///reinstate?host=/var/run/postgresql", undefined],
    ["postgresql://u@/reinstate?host=/tmp", undefined],
    [`postgres://u:${secret}@db/reinstate?sslmode=verify-full&application_name=mine`, undefined],
  ])("of the ledger is checked: %j", async (url, fault) => {
    const line = findFault({ REINSTATE_DATABASE_URL: url });
    if (fault === undefined) return expect(line).toBeUndefined();
    expect(line).toMatch(/^REINSTATE_DATABASE_URL /);
    expect(line).toContain(fault);
    expect(line).not.toContain(secret);
    const opened = createHost({ databaseUrl: url });
    await expect(opened).rejects.toThrow(line?.replace("REINSTATE_DATABASE_URL", "The database URL"));
    return undefined;
  });
});

describe("a setting in a file", () => {
  const path = join(folder, "password");
  writeFileSync(path, `postgres://me:${secret}@db/reinstate\n`);
  const name = "REINSTATE_DATABASE_URL_FILE";

  test("is read without its last line end", () => {
    const { databaseUrl } = readSettings({ env: { [name]: path }, vendors });
    expect(databaseUrl).toBe(`postgres://me:${secret}@db/reinstate`);
  });

  test.each<[Record<string, string>, string]>([
    [{ [name]: join(folder, "absent") }, `${name}: the file cannot be read (ENOENT)`],
    [{ [name]: folder }, `${name}: the file cannot be read (EISDIR)`],
    [{ [name]: path, REINSTATE_DATABASE_URL: "sqlite:x.db" }, `${name} and REINSTATE_DATABASE_URL are both set`],
    [{ REINSTATE_DATABSE_URL_FILE: path }, "REINSTATE_DATABSE_URL_FILE is not a setting"],
    [{ REINSTATE_ROLE_FILE: path }, "REINSTATE_ROLE must be one of"],
  ])("stops the start if it is %o", (env, message) => {
    expect(findFault(env)).toContain(message);
    expect(findFault(env)).not.toContain(secret);
  });

  test("leaves the variables of other programs alone", () => {
    expect(findFault({ HOST_FILE: join(folder, "absent"), LOG_LEVEL_FILE: "x" })).toBeUndefined();
  });
});

describe("reinstate.json", () => {
  const fault = (file: string) => {
    try {
      readSettings({ env: {}, file, vendors });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };

  test.each([
    ['{"port":1,"port":2}', 'reinstate.json is not JSON: the name "port" occurs twice in an object'],
    ['{"port":1,}', "reinstate.json is not JSON: Expected double-quoted property name"],
    ['{"vicidialUrl": s3cr3t}', "reinstate.json is not JSON: Unexpected token 's'"],
    ['{"vicidialUrl":"x","a": 1 s3cr3t and more than that}', "reinstate.json is not JSON: Expected ',' or '}'"],
    ['{"port":[1]}', "port in reinstate.json must be a string, a number or a boolean"],
    ["[]", "reinstate.json must hold an object"],
  ])("is rejected if it is %s", (file, message) => {
    expect(fault(file)).toContain(message);
    expect(fault(file)).not.toContain(secret);
  });
});

const upstreamNeeds: Record<string, Record<string, string>> = {
  REINSTATE_ALTCRAFT_UPSTREAM_URL: { REINSTATE_ALTCRAFT_UPSTREAM_TOKEN: "t" },
  REINSTATE_VICIDIAL_UPSTREAM_URL: { REINSTATE_VICIDIAL_UPSTREAM_KEY: "k" },
  REINSTATE_FIRSTPROMOTER_UPSTREAM_URL: {
    REINSTATE_FIRSTPROMOTER_UPSTREAM_KEY: "k",
    REINSTATE_FIRSTPROMOTER_UPSTREAM_ACCOUNT: "a",
  },
  REINSTATE_FIRSTPROMOTER_WEBHOOK_URL: {
    REINSTATE_FIRSTPROMOTER_WEBHOOK_SECRET: `whsec_${Buffer.alloc(24).toString("base64")}`,
  },
  REINSTATE_FIRSTPROMOTER_REF_LINK_BASE: {},
};

describe.each(Object.entries(upstreamNeeds))("%s", (name, needed) => {
  test.each([
    `https://user:${secret}@api.example.com`,
    `https://${secret}@api.example.com`,
    `https://user:${secret}%@api.example.com`,
    `https://api.example.com/${secret}%`,
    `https://api.example.com:${secret}`,
    `ftp://api.example.com/${secret}`,
    `https:/api.example.com/${secret}`,
    `https://api.example.com/${secret}\n`,
    `https://api.exa mple.com/${secret}`,
    `https://`,
    `api.example.com/${secret}`,
    secret,
    "",
  ])("is named and not shown if it is malformed: %j", (url) => {
    const line = findFault({ ...needed, [name]: url });
    expect(line).toMatch(new RegExp(`^${name} must (be an http or https URL|not hold a user or a password)$`));
  });

  test("accepts a URL with a port and a path", () => {
    expect(findFault({ ...needed, [name]: "https://api.example.com:8443/a%20b/v2" })).toBeUndefined();
  });

  test("rejects a query if paths are appended to the URL", () => {
    const line = findFault({ ...needed, [name]: `https://api.example.com/?token=${secret}` });
    const fault = `${name} must not have a query or a fragment, because paths are appended to it`;
    expect(line).toBe(name.endsWith("UPSTREAM_URL") ? fault : undefined);
  });
});

/** The variables whose value is a number, of the gateway and of every vendor. */
const numberSettings = [
  ...["PORT", "REINSTATE_KEEP_ALIVE_SECONDS", "REINSTATE_REQUEST_SECONDS", "REINSTATE_MAX_CONNECTIONS"],
  ...["REINSTATE_DATABASE_SECONDS", "REINSTATE_GRACE_SECONDS", "REINSTATE_KEEP_BATCHES_DAYS"],
  ...vendors.flatMap(({ name, settings }) =>
    Object.entries(settings.parse({}) as Record<string, unknown>)
      .filter(([property, value]) => typeof value === "number" || property === "retentionDays")
      .map(([property]) => `REINSTATE_${name}_${property.replace(/[A-Z]/g, "_$&")}`.toUpperCase()),
  ),
];

describe.each(numberSettings)("%s", (name) => {
  const malformed = [
    "1e3",
    " 5 ",
    "5 ",
    "\t5",
    "",
    "0x10",
    "+5",
    "-5",
    "5.",
    ".5",
    "1_000",
    "1,000",
    "٥",
    "NaN",
    "9".repeat(20),
  ];

  test("is named if its value is no plain number", () => {
    const fault = new RegExp(`^${name} must be (forever, or )?a (whole )?number from `);
    expect(malformed.filter((text) => !fault.test(findFault({ [name]: text }) ?? ""))).toEqual([]);
  });

  test("accepts digits", () => {
    const [fault, least = "", most = ""] = /from (\d+)(?:\.\d+)? to (\d+)/.exec(findFault({ [name]: "x" }) ?? "") ?? [];
    expect(fault).toBeDefined();
    for (const text of [String(Math.max(1, Number(least))), most]) expect(findFault({ [name]: text })).toBeUndefined();
    expect(findFault({ [name]: String(BigInt(most) + 1n) })).toContain(name);
  });
});

describe("REINSTATE_VICIDIAL_UPSTREAM_CA", () => {
  const endpoint = {
    REINSTATE_VICIDIAL_UPSTREAM_URL: "https://api.example.com",
    REINSTATE_VICIDIAL_UPSTREAM_KEY: secret,
  };
  test.each(["/nowhere/ca.pem", emptyFile, folder])("is named if the file cannot be used: %s", (path) => {
    const line = findFault({ ...endpoint, REINSTATE_VICIDIAL_UPSTREAM_CA: path });
    expect(line).toContain(`REINSTATE_VICIDIAL_UPSTREAM_CA names the file ${path}, which cannot be used (`);
  });
});

describe("settings of vendors", () => {
  test("are skipped for the vendors that a command does not load", () => {
    const env = { REINSTATE_ALTCRAFT_NONE: "1", REINSTATE_ALTCRAFT_URL_FILE: "/none" };
    const file = '{"altcraftNone":1,"reinstateAltcraftNone":1}';
    const [, ...others] = vendors;
    expect(readSettings({ env, file, vendors: others, unread: ["altcraft"] }).vendors).not.toHaveProperty("altcraft");
    expect(() => readSettings({ env, vendors: others })).toThrow("REINSTATE_ALTCRAFT_NONE is not a setting");
    expect(() => readSettings({ env: {}, file, vendors: others })).toThrow("altcraftNone in reinstate.json");
  });

  const [vendor] = vendors as [(typeof vendors)[0]];
  const fault = (change: object) => {
    try {
      readSettings({ env: {}, vendors: [...vendors, { ...vendor, name: "max", paths: ["/max"], ...change }] });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };

  test("must not have the variable of another setting", () => {
    expect(fault({ settings: z.strictObject({ inFlight: z.string().optional() }) })).toBe(
      "vendor max: settings.inFlight: REINSTATE_MAX_IN_FLIGHT is already a setting; rename the property",
    );
    expect(fault({ settings: z.strictObject({ callsAtOnce: z.string().optional() }) })).toBeUndefined();
  });

  test("stop the start if a vendor has a path of another one, or of the gateway", () => {
    expect(fault({ paths: ["/api/v1.1"] })).toBe("vendor max: paths: /api/v1.1 is a path of altcraft too");
    expect(fault({ paths: ["/metrics"] })).toBe("vendor max: paths: /metrics is a path of the gateway too");
  });
});
