import type { BatchReply, Estimate } from "../service/replies.ts";
import type { ExitStatus } from "../terminal/exit-statuses.ts";
import { print } from "../terminal/output.ts";

/** The events of `--json`, one JSON value per line. docs/reference/cli-events.schema.json describes them. */
export type CliEvent =
  | ({ event: "accepted"; place: string; server: string | null; duplicates: number } & Head)
  | ({ event: "progress"; rate: number; estimated_end: string | null } & Counted)
  | ({ event: "waiting"; waiting_for: string; until: string | null } & Counted)
  | ({
      event: "finished";
      duration_ms: number;
      failures: { outcome: string; code: string; count: number }[];
      /** Of a dry run: how long a real one takes. */
      estimate: Estimate | null;
      report: string | null;
      next: string | null;
      exit_status: ExitStatus;
    } & Counted);

interface Head {
  batch: number;
  operation: string;
  target: string;
  account: string;
  dry_run: boolean;
  total: number;
}

interface Counted {
  batch: number;
  status: string;
  total: number;
  processed: number;
  done: number;
  skipped: number;
  failed: number;
  unknown: number;
}

export const printEvent = (event: CliEvent): void => print(JSON.stringify(event));

/** Returns the constant fields of a batch for an event. */
export const readHead = ({ id, operation, target, account, dry_run, total }: BatchReply): Head => ({
  batch: id,
  operation,
  target,
  account,
  dry_run,
  total,
});

/** Returns the counts of a batch for an event. */
export const readCounts = ({ id, status, total, processed, done, skipped, failed, unknown }: BatchReply): Counted => ({
  batch: id,
  status,
  total,
  processed,
  done,
  skipped,
  failed,
  unknown,
});
