/** The logger of all packages, compatible with pino. Secrets are never logged. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Returns a log that adds fields to each of its lines. */
export function withFields(log: Log, fields: object): Log {
  const bind = (level: keyof Log) => (own: object, message: string) => log[level]({ ...fields, ...own }, message);
  return { debug: bind("debug"), info: bind("info"), warn: bind("warn"), error: bind("error") };
}

const nothing = () => {};

/** A log that discards everything. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
