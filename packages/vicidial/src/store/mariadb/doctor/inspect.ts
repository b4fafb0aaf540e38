import {
  type Host,
  type InspectOptions,
  inspectHostDatabase,
  inspectTarget,
  inspectUpstream,
  toPublicAddress,
  type VendorFinding,
  type VendorInspection,
} from "@reinstate/batch-core";
import type { Connection, RowDataPacket } from "mysql2/promise";
import type { MariadbStore } from "../mariadb-store.ts";
import { diagnose } from "./diagnose.ts";
import type { Finding } from "./diagnosis.ts";

export interface InspectionParts {
  host: Host;
  /** The real database, with its URL; undefined for demo tables. */
  mariadb: { store: Pick<MariadbStore, "read">; url: string } | undefined;
  /** The URL of the real TForge endpoint. */
  upstream: { url: string; fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined } | undefined;
}

const levels = { refused: "error", risk: "warning", note: "info" } as const;

/** Inspects the lead tables and the real endpoint. `full` also counts rows and compares the duplicates of both tables. */
export async function inspectVicidial(
  { host, mariadb, upstream }: InspectionParts,
  options: InspectOptions = {},
): Promise<VendorInspection> {
  const [local, remote] = await Promise.all([
    mariadb ? inspectMariadb(mariadb, options) : inspectHostDatabase(host),
    upstream && inspectUpstream(upstream, options),
  ]);
  return { ...local, targets: [...local.targets, ...(remote ? [remote] : [])] };
}

async function inspectMariadb(
  { store, url }: { store: Pick<MariadbStore, "read">; url: string },
  { full = false }: InspectOptions,
): Promise<VendorInspection> {
  let versions: VendorInspection["versions"] = {};
  const place = { target: "local" as const, address: toPublicAddress(url) };
  const target = await inspectTarget(place, async () => {
    versions = await store.read(readVersions);
  });
  if (!target.reachable) return { targets: [target], findings: [], versions };
  const { findings } = await store.read((connection) => diagnose(connection, { full }));
  return { targets: [target], findings: findings.map(toVendorFinding), versions };
}

async function readVersions(connection: Connection): Promise<VendorInspection["versions"]> {
  const [rows] = await connection.query<RowDataPacket[]>("SELECT VERSION() AS version");
  const versions: VendorInspection["versions"] = { MariaDB: String(rows[0]?.version) };
  const [settings] = await connection
    .query<RowDataPacket[]>("SELECT version, db_schema_version FROM system_settings LIMIT 1")
    // The lead tables may stand in a database without VICIdial's settings.
    .catch((): [RowDataPacket[]] => [[]]);
  const { version, db_schema_version } = (settings[0] ?? {}) as Record<string, unknown>;
  if (version) versions.VICIdial = String(version);
  if (db_schema_version) versions["VICIdial schema"] = String(db_schema_version);
  return versions;
}

/** The consequence of a finding whose message has none. */
const consequences = {
  refused: "No lead can be moved until this is fixed",
  risk: "Some leads may not be moved",
  note: "For information",
};

/** Converts a finding of the doctor: the part before the first colon is its title. */
export function toVendorFinding({ severity, what, advice }: Finding): VendorFinding {
  const [title = what, ...rest] = what.split(": ");
  const detail = rest.join(": ") || consequences[severity];
  return { level: levels[severity], title, detail, ...(advice !== undefined && { sql: advice }) };
}
