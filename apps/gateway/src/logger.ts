import { currentTraceId, type Log } from "@reinstate/batch-core";
import pino from "pino";

/** Creates a log of JSON lines on standard error. Standard output is for the results of commands. */
export function createLog(level: string): Log {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin() {
        const trace_id = currentTraceId();
        return trace_id === undefined ? {} : { trace_id };
      },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
