import { adminKeyOptions, type Host, type Key, type Vendor } from "@reinstate/batch-core";
import * as z from "zod";
import { vendors } from "../all-vendors.ts";
import { withVendors } from "./context.ts";
import { wrongUse } from "./terminal/failure.ts";
import { print } from "./terminal/output.ts";
import { renderTable } from "./terminal/table.ts";

const withHost = <Result>(work: (host: Host) => Promise<Result>) => withVendors([], work);

export async function createKey(options: {
  vendor: string;
  account?: string;
  name?: string;
  option?: string[];
  json?: boolean;
}): Promise<void> {
  const names = [...vendors.map(({ name }) => name), "admin"];
  if (!names.includes(options.vendor)) throw wrongUse(`--vendor must be one of ${names.join(", ")}`);
  const vendor = vendors.find(({ name }) => name === options.vendor);
  if (vendor?.accounts && !options.account)
    throw wrongUse(`A key of ${vendor.label} belongs to an account: add --account ID`);
  if (!vendor?.accounts && options.account)
    throw wrongUse(`A key of ${vendor?.label ?? "our own API"} has no account: leave --account out`);
  const { option = [], json: _, ...given } = options;
  const keyOptions = readKeyOptions(vendor, option);
  const { key, secret } = await withHost((host) => host.keys.create({ ...given, options: keyOptions }));
  if (options.json) {
    print(JSON.stringify({ ...presentKey(key), secret }));
  } else if (process.stdout.isTTY) {
    print(
      `Key ${key.id} for ${key.vendor}${key.account && ` account ${key.account}`}. It is shown only now:\n\n${secret}`,
    );
  } else {
    print(secret);
  }
}

/** Parses the options of a key from texts such as `dialect=L1`. */
function readKeyOptions(vendor: Vendor | undefined, options: readonly string[]): Record<string, unknown> {
  const given = options.map((text) => /^([^=]+)=(.*)$/s.exec(text)?.slice(1) ?? [text, ""]) as [string, string][];
  const known = vendor ? (vendor.keyOptions ?? z.strictObject({})) : adminKeyOptions;
  const parsed = known.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const names = Object.keys(known.shape).join(", ");
  throw wrongUse(
    `--option ${[issue?.path.join("."), issue?.message].filter(Boolean).join(": ")} (${names ? `known options: ${names}` : "this key has no options"})`,
  );
}

export async function listKeys(options: { json?: boolean }): Promise<void> {
  const keys = await withHost((host) => host.keys.list());
  if (options.json) {
    for (const key of keys) print(JSON.stringify(presentKey(key)));
    return;
  }
  const rows = keys.map((key) => [
    key.id,
    key.vendor,
    key.account || "-",
    key.name || "-",
    new Date(key.createdAt).toISOString(),
    key.revokedAt === null ? "valid" : `revoked ${new Date(key.revokedAt).toISOString()}`,
  ]);
  print(renderTable(["ID", "VENDOR", "ACCOUNT", "NAME", "CREATED", "STATE"], rows));
}

export async function revokeKey(id: string): Promise<void> {
  const revoked = await withHost((host) => host.keys.revoke(id));
  if (!revoked) throw wrongUse(`There is no valid key ${id}; reinstate keys list shows them all`);
  print(`Key ${id} is revoked`);
}

function presentKey({ id, vendor, account, name, createdAt, revokedAt }: Key) {
  return {
    id,
    vendor,
    account,
    name,
    created_at: new Date(createdAt).toISOString(),
    revoked_at: revokedAt === null ? null : new Date(revokedAt).toISOString(),
  };
}
