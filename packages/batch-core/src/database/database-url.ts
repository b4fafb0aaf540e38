import { readFileSync } from "node:fs";
import { ReinstateError, toMessage } from "../errors/errors.ts";

/** Returns the fault of a query parameter's value; undefined if it is valid. */
type ParameterCheck = (value: string) => string | undefined;

/** The rules for database URLs of one kind. */
export interface DatabaseUrlRules {
  /** The form shown in errors, for example `mysql://user:password@host:3306/database`. */
  form: string;
  /** Allowed schemes, without a colon. */
  schemes: readonly string[];
  /** The known query parameters, each with the check of its value. The value is never empty. */
  parameters: Record<string, ParameterCheck>;
}

/** A database URL with its parts decoded. A missing part is an empty string. */
export interface DatabaseUrl {
  user: string;
  password: string;
  host: string;
  port: string;
  database: string;
  parameters: Record<string, string>;
}

/**
 * Parses a database URL. Rejects parts that a driver would ignore or misread: an unknown, repeated or empty parameter, and a `%` or
 * `#` that is not encoded.
 *
 * @throws ReinstateError `bad_setting`. Its message continues the name of a setting (`must be of the form …`) and never contains a
 * user, a password or a value.
 * @example parseDatabaseUrl("mysql://cron@db/asterisk", rules).database === "asterisk"
 */
export function parseDatabaseUrl(text: string, { form, schemes, parameters }: DatabaseUrlRules): DatabaseUrl {
  const malformed = fault(`must be of the form ${form}, with special characters percent-encoded`);
  // `URL` would strip them.
  if (/\p{Cc}|^\s|\s$/u.test(text)) throw malformed;
  if (/%(?![0-9a-f]{2})/i.test(text)) throw fault("has a % without two hexadecimal digits; write a % as %25");
  if (text.includes("#")) throw fault("has a #; write it as %23");
  // `URL` rejects a user without a host, which PostgreSQL allows for a socket whose folder is in the query.
  const withoutHost = !URL.canParse(text);
  const url = tryParse(withoutHost ? text.replace("@/", "@localhost/") : text);
  if (!url || !/^[a-z]+:\/\/./i.test(text) || !schemes.includes(url.protocol.slice(0, -1))) {
    throw malformed;
  }
  return {
    user: decode(url.username),
    password: decode(url.password),
    host: withoutHost ? "" : decode(url.hostname).replace(/^\[|\]$/g, ""),
    port: url.port,
    database: decode(url.pathname.slice(1)),
    parameters: readParameters(url.search, parameters),
  };
}

/** Returns a check that accepts one of these words. */
export const oneOfWords =
  (...words: string[]): ParameterCheck =>
  (value) =>
    words.includes(value) ? undefined : `must be one of ${words.join(", ")}`;

/** Returns a check that accepts the path of a readable file whose content passes `check`, which throws otherwise. */
export const readableFile =
  (check: (content: string) => void = () => {}): ParameterCheck =>
  (path) => {
    try {
      check(readFileSync(path, "utf8"));
      return undefined;
    } catch (error) {
      const { code } = error as { code?: unknown };
      return `names the file ${path}, which cannot be used (${typeof code === "string" ? code : toMessage(error)})`;
    }
  };

/** Creates a `bad_setting` error. */
export const fault = (message: string) => new ReinstateError("bad_setting", message);

const tryParse = (text: string) => (URL.canParse(text) ? new URL(text) : undefined);

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw fault("has percent-encoded bytes that are not UTF-8");
  }
}

function readParameters(query: string, known: Record<string, ParameterCheck>): Record<string, string> {
  const names = Object.keys(known);
  const found: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const check = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!check) {
      const allowed = names.length === 0 ? "it takes none" : `the known ones are ${names.join(", ")}`;
      // With an @, the name may be part of a password whose ? was not encoded.
      const shown = /^[\w.-]{1,64}$/.test(name) && !query.includes("@") ? ` ${name}` : "";
      throw fault(`has the unknown parameter${shown}; ${allowed}; a ? in a password is written as %3F`);
    }
    if (Object.hasOwn(found, name)) throw fault(`has the parameter ${name} twice`);
    const wrong = value === "" ? "must not be empty" : check(value);
    if (wrong !== undefined) throw fault(`has the parameter ${name}, which ${wrong}`);
    found[name] = value;
  }
  return found;
}
