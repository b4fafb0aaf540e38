import { sql } from "kysely";
import * as z from "zod";
import { isTransient, toPublicMessage } from "../errors/errors.ts";
import type { Host } from "../host.ts";

/** A place that a vendor package works on: our own records, or the real vendor. */
export interface InspectedTarget {
  target: "local" | "upstream";
  /** Its address, without a secret. */
  address: string;
  /** The account that the upstream is for, if each has its own. */
  account?: string;
  /** Absent if it was not asked. */
  reachable?: boolean;
  /** Why it is not reachable. */
  message?: string;
  /** The time of the answer in milliseconds. */
  ms?: number;
}

/** A finding for the operator. */
export interface VendorFinding {
  /** `error`: an operation does not work. `warning`: some items may fail. `info`: for information. */
  level: "error" | "warning" | "info";
  title: string;
  detail: string;
  /** Statements to copy. They are never run by us. */
  sql?: string;
}

/** The state of a vendor's systems. */
export interface VendorInspection {
  targets: InspectedTarget[];
  findings: VendorFinding[];
  /** Versions by what they are of: `{ MariaDB: "11.8.6" }`. */
  versions: Record<string, string>;
}

/** How thoroughly a vendor is inspected. */
export interface InspectOptions {
  /** Also what takes minutes on large tables, such as a count of all rows. */
  full?: boolean;
  /** Aborted when the answer is no longer waited for. */
  signal?: AbortSignal;
}

const text = z.string().min(1);

/** A strict schema of `VendorInspection`. */
export const vendorInspection = z.strictObject({
  targets: z.array(
    z.strictObject({
      target: z.enum(["local", "upstream"]),
      address: text,
      account: text.optional(),
      reachable: z.boolean().optional(),
      message: text.optional(),
      ms: z.number().min(0).optional(),
    }),
  ),
  findings: z.array(
    z.strictObject({ level: z.enum(["error", "warning", "info"]), title: text, detail: text, sql: text.optional() }),
  ),
  versions: z.record(text, text),
});

/** Milliseconds for which one target is waited for, so that the vendor as a whole answers in time. */
const targetMs = 1_500;

class NoAnswer extends Error {}

/** Settles as `work` does, or rejects after `ms` milliseconds. The work is not ended by that, and a late failure is ignored. */
export async function answerWithin<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswer(`no answer within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}

/** Reports whether an error is that of `answerWithin`, whose message is for operators. */
export const isNoAnswer = (error: unknown): error is Error => error instanceof NoAnswer;

/**
 * Asks one target, and measures the time of its answer. A failure is part of the result, and so is an answer that takes too long.
 *
 * @example await inspectTarget({ target: "local", address: toPublicAddress(url) }, () => pool.query("SELECT 1"));
 */
export async function inspectTarget(
  place: Pick<InspectedTarget, "target" | "address" | "account">,
  ask: () => Promise<unknown>,
): Promise<InspectedTarget> {
  const started = performance.now();
  try {
    await answerWithin(targetMs, ask());
    return { ...place, reachable: true, ms: Math.round(performance.now() - started) };
  } catch (error) {
    return { ...place, reachable: false, message: describe(error) };
  }
}

function describe(error: unknown): string {
  if (isNoAnswer(error)) return error.message;
  const { cause } = error as { cause?: { code?: unknown } };
  const code = (error as { code?: unknown }).code ?? cause?.code;
  const message = isTransient(error) || cause ? "cannot be reached" : toPublicMessage(error);
  return typeof code === "string" ? `${message} (${code})` : message;
}

/** Inspects the host's own database, in which a vendor package has its records. */
export async function inspectHostDatabase({ database }: Pick<Host, "database">): Promise<VendorInspection> {
  const label = database.dialect === "sqlite" ? "SQLite" : "PostgreSQL";
  const versions: VendorInspection["versions"] = {};
  const version = database.dialect === "sqlite" ? sql`select sqlite_version() as version` : sql`show server_version`;
  const target = await inspectTarget({ target: "local", address: `the ledger's database (${label})` }, async () => {
    const { rows } = await version.execute(database.tables());
    versions[label] = String(Object.values(rows[0] as object)[0]);
  });
  return { targets: [target], findings: [], versions };
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Inspects the real vendor by a request without a key. Any answer but a server error shows that it can be reached. */
export function inspectUpstream(
  { url, account, fetch = globalThis.fetch }: { url: string; account?: string; fetch?: Fetch | undefined },
  { signal }: InspectOptions = {},
): Promise<InspectedTarget> {
  const place = {
    target: "upstream" as const,
    address: toPublicAddress(url),
    ...(account !== undefined && { account }),
  };
  return inspectTarget(place, async () => {
    const { body, status } = await fetch(url, { method: "HEAD", redirect: "manual", signal: signal ?? null });
    await body?.cancel();
    if (status >= 500) throw Object.assign(new Error(), { code: `status ${status}`, cause: {} });
  });
}

/** Returns a URL without user, password and query. */
export function toPublicAddress(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}
