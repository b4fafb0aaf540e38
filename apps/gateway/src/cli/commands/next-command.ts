import type { BatchReply } from "../service/replies.ts";
import { type ExitStatus, exitStatus } from "../terminal/exit-statuses.ts";

/** Returns a command on a batch, as the operator types it. */
export function toCommand(verb: string, id: number, server: string | undefined): string {
  return `reinstate batches ${verb} ${id}${server === undefined ? "" : ` --server ${server}`}`;
}

/** Returns the command to type after the end of a batch; undefined if there is nothing to do. */
export function findNextCommand(batch: BatchReply, server: string | undefined): string | undefined {
  const { id, status, unknown, failed, dry_run } = batch;
  if (status === "stopped") return toCommand("resume", id, server);
  if (dry_run) return undefined;
  if (unknown > 0) return toCommand("reexamine", id, server);
  if (failed > 0) return toCommand("retry", id, server);
  return undefined;
}

/** Returns the exit status for a batch that has ended or is stopped. */
export function toExitStatus({ status, unknown, failed }: BatchReply): ExitStatus {
  if (status === "stopped") return exitStatus.interrupted;
  if (unknown > 0) return exitStatus.someUnknown;
  return failed > 0 || status === "failed" ? exitStatus.someFailed : exitStatus.done;
}
