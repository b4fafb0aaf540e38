import { wrongUse } from "./failure.ts";

/** Options with which other programs take secrets. */
const secretOption = /^--?(?:api-?key|admin-?key|key|token|access-?token|password|passwd|secret)(?:=|$)/i;

/** Rejects options that look like secrets, because every user of the machine can read the arguments of a process. */
export function rejectSecrets(args: readonly string[]): void {
  const found = args
    .slice(0, args.includes("--") ? args.indexOf("--") : undefined)
    .find((arg) => secretOption.test(arg));
  if (found === undefined) return;
  throw wrongUse(
    `${found.split("=")[0]} is no option: secrets do not belong into arguments`,
    "set REINSTATE_KEY, or REINSTATE_KEY_FILE with the path of a file, or send it with --key-stdin",
    "every user of this machine can read the arguments of a process",
  );
}
