import { type Command, InvalidArgumentError, Option } from "commander";
import { addServerOptions } from "./cli/commands/record-options.ts";
import { outcomes } from "./cli/terminal/outcomes.ts";

// Performance: as in the program, each action imports its own module.

const examples = `
Examples:
  reinstate batches list --status stopped
  reinstate batches show 1
  reinstate batches items 1 --outcome failed
  reinstate batches report 1 --output report.csv`;

const note = ["--note <text>", "the reason, for the history of the batch"] as const;
const json = ["--json", "JSON, one value per line"] as const;

const load = () => import("./cli/commands/batches.ts");

/** Adds `batches` and its commands. */
export function addBatches(program: Command): void {
  const batches = program
    .command("batches")
    .description("list, show, stop, resume, retry and undo batches; write their reports")
    .addHelpText("after", examples);
  addReads(batches);
  addChanges(batches);
  batches
    .command("prune")
    .description("delete completed and failed batches that ended long ago; the newest batch is kept")
    .option("--older-than <days>", "days since the end of a batch (default: REINSTATE_KEEP_BATCHES_DAYS)")
    .option("--dry-run", "count the batches and delete nothing")
    .option("--json", "one JSON line")
    .action(async (options) => (await import("./cli/batches.ts")).pruneBatches(options));
}

/** Adds the commands that read batches. */
function addReads(batches: Command): void {
  addServerOptions(
    batches
      .command("list")
      .description("list batches, newest first")
      .addOption(
        new Option("--status <status>", "only these").choices([
          "pending",
          "in_progress",
          "completed",
          "failed",
          "stopped",
        ]),
      )
      .option("--operation <name>", "only batches of this operation")
      .option("--limit <count>", "how many at most, up to 500", parseCount, 20)
      .option(...json)
      .action(async (options) => (await load()).listBatches(options)),
  );
  addServerOptions(
    onBatch(batches, "show", "show a batch: counts, failures by code, waits, history")
      .option(...json)
      .action(async (id, options) => (await load()).showBatch(id, options)),
  );
  addServerOptions(
    onBatch(batches, "watch", "follow a batch that another process works on")
      .option(...json)
      .action(async (id, options) => (await load()).watchOneBatch(id, options)),
  );
  addServerOptions(
    onBatch(batches, "items", "list the items with their outcomes, separated by tabs")
      .addOption(new Option("--outcome <outcome>", "only these").choices(outcomes))
      .option("--code <code>", "only items with this code")
      .option("--limit <count>", "how many at most (default: all)", parseCount)
      .option(...json)
      .action(async (id, options) => (await load()).listItems(id, options)),
  );
}

/** Adds the report, and the commands that change a batch. */
function addChanges(batches: Command): void {
  addServerOptions(
    onBatch(batches, "stop", "stop a batch after its chunks in progress")
      .option(...note)
      .option(...json)
      .action(async (id, options) => (await load()).stopBatch(id, options)),
  );
  addServerOptions(
    addReport(onBatch(batches, "resume", "continue a batch that is stopped, or whose process ended"))
      .option(...note)
      .option(...json)
      .action(async (id, options) => (await load()).resumeBatch(id, options)),
  );
  addServerOptions(
    addReport(onBatch(batches, "retry", "run the failed items again"))
      .option("--code <code>", "only items that failed with this code")
      .option(...note)
      .option(...json)
      .action(async (id, options) => (await load()).retryBatch(id, options)),
  );
  addServerOptions(
    onBatch(batches, "report", "write the report: each item with its outcome")
      .option("--output <path>", "file of the report (default: standard output)")
      .addOption(new Option("--format <format>", "default: by the name of the file").choices(["csv", "ndjson"]))
      .action(async (id, options) => (await load()).reportBatch(id, options)),
  );
  addServerOptions(
    onBatch(batches, "undo", "prepare the opposite operation on the done items, as a new batch")
      .option("--dry-run", "report what the undo would do, and change nothing")
      .option(...note)
      .option(...json)
      .action(async (id, options) => (await load()).undoBatch(id, options)),
  );
  addServerOptions(
    addReport(
      onBatch(batches, "reexamine", "read the state of unknown items again, if the vendor supports it").option(...note),
    )
      .option(...json)
      .action(async (id, options) => (await load()).reexamineBatch(id, options)),
  );
  addServerOptions(
    onBatch(batches, "mark", "mark unknown items as done or failed, after a look at the vendor")
      .addOption(new Option("--as <outcome>", "what you found").choices(["done", "failed"]).makeOptionMandatory())
      .requiredOption("--note <text>", "how you know, for the history of the batch")
      .option("--code <code>", "only unknown items with this code")
      .option(...json)
      .action(async (id, options) => (await load()).markBatch(id, options)),
  );
}

function onBatch(batches: Command, name: string, description: string): Command {
  return batches.command(name).description(description).argument("<id>", "id of the batch");
}

function addReport(command: Command): Command {
  return command.option("--report <path>", "file for the report at the end").option("--no-report", "write no report");
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number of at least 1.");
}
