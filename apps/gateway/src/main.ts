#!/usr/bin/env -S node --max-semi-space-size=8
import { setFlagsFromString } from "node:v8";
import { isUnavailable, ReinstateError, toMessage } from "@reinstate/batch-core";
import { Command, CommanderError } from "commander";
import { pruneBatches } from "./cli/batches.ts";
import { exit } from "./cli/context.ts";
import { declareImport } from "./cli/import.ts";
import { createKey, listKeys, revokeKey } from "./cli/keys.ts";
import { serve } from "./cli/serve.ts";

// Performance: collect garbage once the heap has grown by half, not fourfold (docs/decisions/cap-v8-semi-space.md).
setFlagsFromString("--heap-growing-percent=50");

const program = new Command("reinstate")
  .description("Restores archived or deleted records: FirstPromoter promoters, Altcraft subscriptions, VICIdial leads.")
  .exitOverride()
  .showHelpAfterError("(see reinstate --help)")
  .addHelpText(
    "after",
    `
Settings come from the environment, then from reinstate.json in the working directory; docs/reference/configuration.md lists them.

Examples:
  reinstate serve --demo                                          try it with demo records
  reinstate keys create --vendor firstpromoter --account acc_1    a key for an account
  reinstate keys create --vendor admin                            a key for /v1
  reinstate import firstpromoter promoters.csv --account acc_1    import your own records
  reinstate batches prune --older-than 90 --dry-run               count the batches that a prune would delete

Exit status: 0 done, 1 unexpected error, 2 wrong use or bad setting, 3 finished with rejected lines, 5 a database or server cannot be reached.`,
  );

program
  .command("serve")
  .description("serve the vendors' APIs and /v1 until SIGTERM")
  .option("--demo", "load the demo records and keys (the same as REINSTATE_DEMO=true)")
  .action(serve);

const keys = program.command("keys").description("create, list and revoke API keys; only their digests are stored");
keys
  .command("create")
  .description("create a key; its secret is printed only now")
  .requiredOption("--vendor <vendor>", "API of the key: firstpromoter, altcraft, vicidial, or admin for /v1")
  .option("--account <id>", "account of the key, if the vendor has accounts")
  .option("--name <text>", "name shown in the list")
  .option(
    "--option <name=value...>",
    "option of the key: methods=subscriptions/get,subscriptions/undelete (altcraft), dialect=L1 (vicidial)",
  )
  .option("--json", "one JSON line")
  .action(createKey);
keys
  .command("list")
  .description("list all keys, without their secrets")
  .option("--json", "one JSON line for each key")
  .action(listKeys);
keys
  .command("revoke")
  .description("revoke a key at once")
  .argument("<id>", "id shown by reinstate keys list")
  .action(revokeKey);

const batches = program.command("batches").description("manage accepted batches");
batches
  .command("prune")
  .description("delete completed and failed batches that ended long ago; the newest batch is kept")
  .option("--older-than <days>", "days since the end of a batch (default: REINSTATE_KEEP_BATCHES_DAYS)")
  .option("--dry-run", "count the batches and delete nothing")
  .option("--json", "one JSON line")
  .action(pruneBatches);

declareImport(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exit.done : exit.wrongUse;
  } else {
    process.stderr.write(`reinstate: ${toMessage(error)}\n`);
    const wrongUse = ReinstateError.is(error) && error.code !== "transient";
    process.exitCode = wrongUse ? exit.wrongUse : isUnavailable(error) ? exit.unreachable : exit.unexpected;
  }
}
