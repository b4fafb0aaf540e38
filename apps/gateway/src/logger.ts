import type { Log } from "@reinstate/batch-core";
import pino from "pino";

/** Creates a log of JSON lines on standard error. Standard output is for the results of commands. */
export function createLog(level: string): Log {
  return pino(
    { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
