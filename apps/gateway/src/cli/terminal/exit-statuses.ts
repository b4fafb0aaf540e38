/** Exit statuses of the command line. */
export const exitStatus = {
  done: 0,
  unexpected: 1,
  wrongUse: 2,
  someFailed: 3,
  someUnknown: 4,
  unreachable: 5,
  interrupted: 130,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** Each status with its meaning and the usual next step. */
export const exitMeanings: readonly [status: ExitStatus, meaning: string, next: string][] = [
  [exitStatus.done, "every item is done, or was in the wanted state", "nothing"],
  [exitStatus.unexpected, "unexpected error", "report it, with the output"],
  [exitStatus.wrongUse, "wrong use, bad input or a bad setting; nothing changed", "read the message, then repeat"],
  [exitStatus.someFailed, "finished, and items failed", "reinstate batches retry ID"],
  [
    exitStatus.someUnknown,
    "finished, and the outcome of items is unknown",
    "reinstate batches reexamine ID, or look and mark",
  ],
  [
    exitStatus.unreachable,
    "a server, database or vendor is unreachable, or refused",
    "check address and key, then repeat",
  ],
  [exitStatus.interrupted, "interrupted, or stopped", "reinstate batches resume ID"],
];

/** Renders the table that `reinstate help exit-codes` prints. */
export function renderExitStatuses(): string {
  const rows = exitMeanings.map(
    ([status, meaning, next]) => `  ${String(status).padStart(3)}  ${meaning}\n       ${next}`,
  );
  return `Exit statuses, each with the next step:\n\n${rows.join("\n")}\n
If items failed and others are unknown, the status is 4. Skipped items alone give 0.
No run in which an item failed ends with 0.\n`;
}
