import type { Log } from "@reinstate/batch-core";
import pino from "pino";

/** JSON lines on standard error; standard output is for what a person or a script asked for. */
export function createLog(level: string): Log {
  return pino(
    { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
