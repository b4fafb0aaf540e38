import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { createTestHost } from "@reinstate/batch-core/testing";
import { privateMariadb } from "@reinstate/tooling/services";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { selfSigned, selfSignedWithoutAddress } from "../../fixtures/self-signed.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import { connect, openReaders, parseMariadbUrl } from "./connect.ts";

const folder = mkdtempSync(join(tmpdir(), "reinstate-test-"));
const write = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const anotherCa = write("another.pem", rootCertificates[0] as string);

type Server = Awaited<ReturnType<typeof privateMariadb>>;

/** Starts a server with a certificate; its values read backslashes as plain characters. */
async function startTls(name: string, { cert, key }: typeof selfSigned) {
  const ca = write(`${name}.pem`, cert);
  const files = [`--ssl-cert=${ca}`, `--ssl-key=${write(`${name}.key`, key)}`];
  return { ca, server: await privateMariadb([...files, "--sql-mode=NO_BACKSLASH_ESCAPES"]) };
}

let tls: { ca: string; server: Server };
let withoutAddress: { ca: string; server: Server };
let plain: Server;

beforeAll(async () => {
  [tls, withoutAddress, plain] = await Promise.all([
    startTls("tls", selfSigned),
    startTls("without-address", selfSignedWithoutAddress),
    privateMariadb(["--skip-ssl"]),
  ]);
}, 120_000);
afterAll(() => {
  for (const server of [tls?.server, withoutAddress?.server, plain]) server?.stop();
  rmSync(folder, { recursive: true });
});

/** The URL of a server's own database `mysql`, reached by another host name. */
function toUrl({ url }: Server, query: string, host = "127.0.0.1"): string {
  return `${Object.assign(new URL(url), { hostname: host, pathname: "mysql" }).href}${query}`;
}

/** How the moving connection and the reading ones are made: `TLS`, `clear text` or the code of an error. */
async function findWays(url: string): Promise<string[]> {
  const connecting = parseMariadbUrl(url);
  const readers = openReaders(connecting);
  const ways = [() => connect(connecting), () => readers.getConnection(), () => readers.getConnection()];
  const found = await Promise.all(
    ways.map(async (open) => {
      try {
        const connection = await open();
        const [rows] = await connection.query<RowDataPacket[]>("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
        connection.destroy();
        return rows[0]?.Value === "" ? "clear text" : "TLS";
      } catch (error) {
        return String((error as { code?: unknown }).code);
      }
    }),
  );
  await readers.end();
  return found;
}

const always = (way: string) => [way, way, way];

describe("ssl-mode", () => {
  test.each<[query: string, onTls: string, onPlain: string]>([
    ["", "clear text", "clear text"],
    ["?ssl-mode=DISABLED", "clear text", "clear text"],
    ["?ssl-mode=PREFERRED", "TLS", "clear text"],
    ["?ssl-mode=preferred", "TLS", "clear text"],
    ["?ssl-mode=REQUIRED", "TLS", "HANDSHAKE_NO_SSL_SUPPORT"],
    ["?ssl-mode=REQUIRED&ssl-ca=CA", "TLS", "HANDSHAKE_NO_SSL_SUPPORT"],
    ["?ssl-ca=CA", "TLS", "HANDSHAKE_NO_SSL_SUPPORT"],
    ["?ssl-mode=VERIFY_CA&ssl-ca=CA", "TLS", "HANDSHAKE_NO_SSL_SUPPORT"],
    ["?ssl-mode=VERIFY_IDENTITY&ssl-ca=CA", "TLS", "HANDSHAKE_NO_SSL_SUPPORT"],
    ["?ssl-mode=REQUIRED&ssl-ca=OTHER", "HANDSHAKE_SSL_ERROR", "HANDSHAKE_NO_SSL_SUPPORT"],
    ["?ssl-mode=VERIFY_CA&ssl-ca=OTHER", "HANDSHAKE_SSL_ERROR", "HANDSHAKE_NO_SSL_SUPPORT"],
    ["?ssl-mode=VERIFY_IDENTITY&ssl-ca=OTHER", "HANDSHAKE_SSL_ERROR", "HANDSHAKE_NO_SSL_SUPPORT"],
    ["?ssl-mode=VERIFY_IDENTITY", "HANDSHAKE_SSL_ERROR", "HANDSHAKE_NO_SSL_SUPPORT"],
  ])("of %j decides how connections are made", async (words, onTls, onPlain) => {
    const query = words.replace("ssl-ca=CA", `ssl-ca=${tls.ca}`).replace("OTHER", anotherCa);
    expect(await findWays(toUrl(tls.server, query))).toEqual(always(onTls));
    expect(await findWays(toUrl(plain, query))).toEqual(always(onPlain));
  });

  test.each([
    ["VERIFY_IDENTITY", "localhost", "TLS"],
    ["VERIFY_IDENTITY", "127.0.0.1", "HANDSHAKE_SSL_ERROR"],
    ["VERIFY_CA", "127.0.0.1", "TLS"],
  ])("%s at %s checks the name in the certificate", async (mode, host, way) => {
    const { ca, server } = withoutAddress;
    expect(await findWays(toUrl(server, `?ssl-mode=${mode}&ssl-ca=${ca}`, host))).toEqual(always(way));
  });

  test.each(["DISABLED", "PREFERRED"])("%s rejects a file that it would ignore", (mode) => {
    const parse = () => parseMariadbUrl(`mysql://cron@db/asterisk?ssl-mode=${mode}&ssl-ca=${anotherCa}`);
    expect(parse).toThrow("has ssl-ca, which needs ssl-mode REQUIRED, VERIFY_CA, VERIFY_IDENTITY");
  });
});

describe("a VICIdial database that asks for TLS", () => {
  test("is served with it, and not without", async () => {
    const root = await mysql.createConnection({ uri: tls.server.url });
    for (const statement of [
      "CREATE DATABASE asterisk",
      "USE asterisk",
      ...leadTables({ live: "MyISAM", archive: "MyISAM" }),
      "CREATE USER cron@'%' IDENTIFIED BY 'p@ss' REQUIRE SSL",
      "GRANT SELECT, INSERT, UPDATE, DELETE, LOCK TABLES ON asterisk.* TO cron@'%'",
    ]) {
      await root.query(statement);
    }
    await root.query("SET SESSION sql_mode = ''");
    await insertRows(root, "vicidial_list_archive", [makeLead(1), makeLead(2, { status: "O'HARA" })]);
    const address = `mysql://cron:p%40ss@127.0.0.1:${new URL(tls.server.url).port}/asterisk`;

    await using clear = await createTestHost();
    const refused = await createVicidial(clear, { url: address });
    await expect(refused.ready()).rejects.toThrow(
      /^Access to the VICIdial database was denied \(ER_ACCESS_DENIED_ERROR\)$/,
    );
    await refused.close();

    await using host = await createTestHost();
    const vicidial = await createVicidial(host, { url: `${address}?ssl-mode=VERIFY_CA&ssl-ca=${tls.ca}` });
    await vicidial.ready();
    const params = { insert_leads: true, delete_leads: true };
    const operation = "vicidial.leads.dearchive";
    // A server that reads backslashes as plain characters would take the quote for the end of the value.
    for (const status of ["' OR 1=1 -- x", "x\\' OR 1=1 -- x"]) {
      const found = host.batches.submitFiltered({ operation, filter: { status }, params });
      await expect(found).rejects.toThrow("finds nothing");
    }
    const batch = await host.batches.submitFiltered({ operation, filter: { status: "O'HARA" }, params });
    expect(batch.counts).toMatchObject({ done: 1 });
    await vicidial.close();
    await root.end();
  });

  test("names ssl-mode if the server has no TLS", async () => {
    await using host = await createTestHost();
    const vicidial = await createVicidial(host, { url: toUrl(plain, "?ssl-mode=REQUIRED") });
    await expect(vicidial.ready()).rejects.toThrow(
      /^The VICIdial database offers no connection that ssl-mode accepts \(HANDSHAKE_NO_SSL_SUPPORT\)$/,
    );
    await vicidial.close();
  });
});
