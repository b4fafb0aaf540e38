import { Argument, Command, CommanderError } from "commander";
import { addBatches } from "./batches-program.ts";
import { addRecordOptions, addServerOptions } from "./cli/commands/record-options.ts";
import { print, writeError } from "./cli/terminal/output.ts";
import { explainOldNode, readBuild } from "./cli/terminal/version.ts";

// Performance: this file and its imports load no part of the core. Each action imports its own module.

const examples = {
  root: `
Examples:
  reinstate serve --demo
  reinstate restore firstpromoter --ids 1-50 --account acc_demo
  reinstate batches list
  reinstate help exit-codes

Settings come from the environment, then from reinstate.json in the working
directory; reinstate config check shows them. Exit status 0 means that no item
failed.`,
  restore: `
Examples:
  reinstate restore firstpromoter --file promoters.csv --account acc_demo
  reinstate restore firstpromoter --ids 1-500,900 --account acc_demo --dry-run
  reinstate restore vicidial --help          the options of this vendor too

Without --server, this process does the work, on the ledger of the settings.
Ctrl-C stops the batch; reinstate batches resume ID continues it.`,
  archive: `
Examples:
  reinstate archive firstpromoter --ids 901-905 --account acc_demo --dry-run
  reinstate archive vicidial --help          the options of this vendor too`,
  find: `
Example:
  reinstate find firstpromoter 4711`,
  keys: `
Examples:
  reinstate keys create --vendor firstpromoter --account acc_1
  reinstate keys create --vendor admin --option access=read
  reinstate keys list`,
  completion: `
Examples:
  reinstate completion bash >> ~/.bashrc
  reinstate completion fish > ~/.config/fish/completions/reinstate.fish`,
  backup: `
Example:
  reinstate backup reinstate-backup.db

REINSTATE_DATABASE_URL=sqlite:reinstate-backup.db starts from the copy. Batches
that were open in it are stopped, because the original may have run them since.`,
};

/** Builds the commands. Nothing is loaded before the action of one runs. `args`: the arguments of the process. */
export function createProgram(args: readonly string[]): Command {
  const program = new Command("reinstate")
    .description("Restores archived or deleted records, many at once, with an outcome for each.")
    .exitOverride()
    // The failure is written by the main program, in three parts.
    .configureOutput({ outputError() {} })
    .helpCommand(false)
    .configureHelp({ helpWidth: 80 })
    .option("--no-color", "no colours; NO_COLOR=1 does the same")
    .option("--version", "print the version of Reinstate, its commit and Node")
    .on("option:version", printVersion)
    .addHelpText("after", examples.root);
  const command = (parent: Command, name: string, description: string) => parent.command(name).description(description);

  program.commandsGroup("Records:");
  addMove(program, "restore", "bring records back", args);
  addMove(program, "archive", "the opposite of restore", args);
  addFind(program);
  program.commandsGroup("Batches:");
  addBatches(program);
  program.commandsGroup("Service:");
  command(program, "serve", "serve the vendors' APIs and /v1 until SIGTERM")
    .option("--demo", "load the demo records and keys (the same as REINSTATE_DEMO=true)")
    .action(async (options) => (await import("./cli/serve.ts")).serve(options));
  addKeys(program);
  addImport(program, args);
  addCare(program);
  program.commandsGroup("Help:");
  addHelp(program);
  return program;
}

function printVersion(): never {
  const { version, commit } = readBuild();
  print(`reinstate ${version} (${commit}), Node ${process.versions.node}`);
  const warning = explainOldNode(process.versions.node);
  if (warning !== undefined) writeError(`reinstate: ${warning}`);
  throw new CommanderError(0, "commander.version", "");
}

/** Adds `restore` or `archive`. The options of a vendor are known only with its package, so they are parsed by the action. */
function addMove(program: Command, role: "restore" | "archive", description: string, args: readonly string[]): void {
  const command = program
    .command(role)
    .description(description)
    .argument("[vendor]", "whose records; the help of a vendor has its own options too")
    .usage("<vendor> (--file <path> | --ids <ranges>) [options]")
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .addHelpText("after", examples[role]);
  addRecordOptions(command).option("-h, --help", "show the help; after the name of a vendor, with its options");
  command.action(async (_vendor, options: { help?: true }) => {
    const rest = args.slice(args.indexOf(role) + 1);
    if (options.help) {
      if (!rest.some((arg) => !arg.startsWith("-"))) return command.outputHelp();
      return (await import("./cli/commands/vendor-help.ts")).printVendorHelp(role, rest, command.opts());
    }
    await (await import("./cli/commands/move-records.ts")).moveRecords(role, rest, command.opts());
  });
}

function addFind(program: Command): void {
  const command = program
    .command("find")
    .description("what became of one record, over all batches")
    .argument("<vendor>", "whose record")
    .argument("<id>", "id of the record")
    .option("--operation <name>", "only batches of this operation")
    .option("--account <id>", "only batches of this account")
    .option("--batch <id>", "only this batch; needed for records without a whole number as id")
    .option("--json", "one JSON line for each batch")
    .addHelpText("after", examples.find)
    .action(async (vendor, id, options) => (await import("./cli/commands/find-item.ts")).findItem(vendor, id, options));
  addServerOptions(command);
}

function addKeys(program: Command): void {
  const load = () => import("./cli/keys.ts");
  const keys = program
    .command("keys")
    .description("create, list and revoke API keys; only their digests are stored")
    .addHelpText("after", examples.keys);
  keys
    .command("create")
    .description("create a key; its secret is printed only now")
    .requiredOption("--vendor <vendor>", "API of the key: a vendor, or admin for /v1")
    .option("--account <id>", "account of the key, if the vendor has accounts")
    .option("--name <text>", "name shown in the list")
    .option("--option <name=value...>", "option of the key; a wrong one lists those that the vendor has")
    .option("--json", "one JSON line")
    .action(async (options) => (await load()).createKey(options));
  keys
    .command("list")
    .description("list all keys, without their secrets")
    .option("--json", "one JSON line for each key")
    .action(async (options) => (await load()).listKeys(options));
  keys
    .command("revoke")
    .description("revoke a key at once")
    .argument("<id>", "id shown by reinstate keys list")
    .action(async (id) => (await load()).revokeKey(id));
}

/** Adds `import`, whose options come from the vendors, so they are declared by the action. */
function addImport(program: Command, args: readonly string[]): void {
  program
    .command("import")
    .description("import records from NDJSON or CSV into a vendor's tables")
    .argument("[arguments...]", "<vendor> <file>; reinstate import --help explains them")
    .allowUnknownOption()
    .helpOption(false)
    .action(async () => {
      const { createImport } = await import("./cli/import.ts");
      await createImport().parseAsync(args.slice(args.indexOf("import") + 1), { from: "user" });
    });
}

/** Adds the commands that look after an installation. */
function addCare(program: Command): void {
  program
    .command("doctor")
    .description("examine the installation and the vendors, and list what to repair")
    .argument("[vendor]", "only this vendor")
    .option("--json", "one JSON value")
    .action(async (vendor, options) => (await import("./cli/commands/doctor.ts")).runDoctor(vendor, options));
  program
    .command("health")
    .description("ask the gateway on this machine whether it lives")
    .option("--ready", "whether it can use its ledger, as load balancers ask")
    .option("--wait <seconds>", "ask again until it does, at most this long", "0")
    .action(async (options) => (await import("./cli/commands/health.ts")).checkHealth(options));
  program
    .command("config")
    .description("examine the settings")
    .command("check")
    .description("show each setting with its source; secrets are masked")
    .option("--json", "one JSON line for each setting")
    .action(async (options) => (await import("./cli/commands/config-check.ts")).checkConfig(options));
  program
    .command("backup")
    .description("copy the ledger to a file, also while batches run (SQLite)")
    .argument("<file>", "path of the copy, which must not exist")
    .addHelpText("after", examples.backup)
    .action(async (file) => (await import("./cli/commands/backup.ts")).backUp(file));
}

function addHelp(program: Command): void {
  program
    .command("help")
    .description("show the help of a command, or of the topic exit-codes")
    .argument("[command...]")
    .action(async (names: string[]) => {
      if (names[0] === "exit-codes") {
        const { renderExitStatuses } = await import("./cli/terminal/exit-statuses.ts");
        return void process.stdout.write(renderExitStatuses());
      }
      let found = program;
      for (const name of names) {
        const inner = found.commands.find((command) => command.name() === name);
        if (!inner) return found.error(`error: unknown command '${name}'`);
        found = inner;
      }
      found.outputHelp();
    });
  program
    .command("completion")
    .description("print the completion script of a shell")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh", "fish", "powershell"]))
    .addHelpText("after", examples.completion)
    .action(async (shell) => (await import("./cli/commands/completion.ts")).printCompletion(shell));
  // Called by the completion scripts.
  program
    .command("complete", { hidden: true })
    .argument("[words...]")
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words) => (await import("./cli/commands/completion.ts")).complete(program, words));
}
