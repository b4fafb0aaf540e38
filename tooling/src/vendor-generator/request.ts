import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

/** The names and options of the package to generate. */
export interface VendorRequest {
  /** One word in lower case: the package, its tables, its operations and its settings have this name. */
  name: string;
  /** One word in lower case for a record of the vendor: `ticket`. Its plural takes an s. */
  record: string;
  /** Whether every key and every record belongs to an account. */
  accounts: boolean;
  ids: "integer" | "string";
}

const usage = "NAME [--accounts] [--ids integer|string] [--record WORD]";

/** Names that the gateway or the repository uses for something else. */
const taken = [
  "admin",
  "gateway",
  "tooling",
  "bench",
  "reinstate",
  "healthz",
  "readyz",
  "metrics",
  "docs",
  "openapi",
  "v1",
];

/** Words of the language that cannot name a variable, and names that every module knows. */
const reserved = [
  ..."await break case catch class const continue debugger default delete do else enum export extends false finally for".split(
    " ",
  ),
  ..."function if import in instanceof new null return super switch this throw true try typeof var void while with".split(
    " ",
  ),
  ..."let static yield async implements interface package private protected public arguments eval undefined".split(" "),
  ..."host store demo database process console global".split(" "),
];

/** Words that the generated files use for something else. */
const takenRecords = [
  "acme",
  "widget",
  "account",
  "batch",
  "change",
  "client",
  "column",
  "error",
  "fixture",
  "flag",
  "id",
  "key",
  "operation",
  "option",
  "route",
  "row",
];

/** Reads the arguments of the command. `fault`: what is wrong, in one line. */
export function readVendorRequest(args: string[], root: string): VendorRequest | { fault: string } {
  const read = parse(args);
  if (typeof read === "string") return { fault: read };
  const { positionals, values } = read;
  const { accounts = false, ids = "integer", record = "record" } = values;
  const [name, ...more] = positionals;
  if (name === undefined) return { fault: `a name is missing: ${usage}` };
  if (more.length > 0) return { fault: `${more.join(" ")}: one name is enough` };
  const fault = findNameFault(name, root) ?? findRecordFault(record, name);
  if (fault !== undefined) return { fault };
  if (ids !== "integer" && ids !== "string") return { fault: `--ids ${ids}: must be integer or string` };
  return { name, record, accounts, ids };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { accounts: { type: "boolean" }, ids: { type: "string" }, record: { type: "string" } },
    });
  } catch (error) {
    return (error as Error).message.split(/[.\n]/)[0] as string;
  }
}

const word = /^[a-z][a-z0-9]{1,29}$/;

function findNameFault(name: string, root: string): string | undefined {
  if (!word.test(name)) return `${name}: must be 2 to 30 lower-case letters and digits, with a letter first`;
  if (reserved.includes(name) || taken.includes(name)) return `${name}: the name is used for something else`;
  if (existsSync(join(root, "packages", name))) return `${name}: packages/${name} is there already`;
  const vendors = readFileSync(join(root, "apps/gateway/src/vendors.ts"), "utf8");
  return vendors.includes(`/${name}"`) ? `${name}: the gateway has this vendor already` : undefined;
}

function findRecordFault(record: string, name: string): string | undefined {
  if (!word.test(record))
    return `--record ${record}: must be 2 to 30 lower-case letters and digits, with a letter first`;
  if (reserved.includes(record) || takenRecords.includes(record) || record === name) {
    return `--record ${record}: the word is used for something else`;
  }
  return undefined;
}
