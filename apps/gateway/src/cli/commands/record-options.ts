import { type Command, InvalidArgumentError, Option } from "commander";
import { type ItemFormat, itemFormats } from "../../items/item-stream.ts";

/** The options of `restore` and `archive` that every vendor has. */
export interface RecordOptions {
  file?: string;
  ids?: string;
  format?: ItemFormat;
  column?: string;
  target: "local" | "upstream";
  account?: string;
  param?: string[];
  dryRun?: true;
  maxFailureRate?: number;
  again?: true;
  yes?: true;
  /** A path; false for `--no-report`; undefined for the default path. */
  report?: string | false;
  json?: true;
  server?: string;
  keyStdin?: true;
}

/** Declares the options that choose the server. */
export function addServerOptions(command: Command): Command {
  return command
    .addOption(new Option("--server <url>", "let a server do it (default: this process)").env("REINSTATE_SERVER"))
    .option("--key-stdin", "read the server's admin key from standard input");
}

/** Declares the options of `restore` and `archive` that every vendor has. */
export function addRecordOptions(command: Command): Command {
  command
    .option("--file <path>", "the records: CSV, NDJSON, a JSON array, or one id per line; - is standard input")
    .option("--ids <ranges>", "the records as ids and ranges: 1-5000,7001")
    .addOption(
      new Option("--format <format>", "format of the file (default: by its name and content)").choices(itemFormats),
    )
    .option("--column <name>", "column of the ids, if the file has others too")
    .addOption(
      new Option("--target <target>", "our own records, or the real vendor")
        .choices(["local", "upstream"])
        .default("local"),
    )
    .option("--account <id>", "account of the records, if the vendor has accounts")
    .option("--param <name=value...>", "another param of the operation")
    .option("--dry-run", "report what would happen, and change nothing")
    .option("--max-failure-rate <rate>", "end the batch if more than this share fails: 0.05 or 5%", parseRate)
    .option("--again", "run a file that was run before")
    .option("--yes", "do not ask, however many records there are")
    .option("--report <path>", "file for the report (default: reinstate-batch-ID.csv)")
    .option("--no-report", "write no report")
    .option("--json", "one JSON event per line on standard output");
  return addServerOptions(command);
}

function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const rate = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (rate >= 0 && rate <= 1) return rate;
  throw new InvalidArgumentError("It must be a share from 0 to 1, or a percentage.");
}
