import type { Json } from "./schemas.ts";

/** The limits of a call. A missing one does not apply. */
export interface CallLimits {
  /** Maximum number of items of one call. */
  items?: number;
  /** Maximum number of items of one page. */
  pageItems?: number;
  /** Maximum size of a body in bytes. */
  bodyBytes?: number;
  /** Maximum size of a body in XML, if it differs. */
  xmlBodyBytes?: number;
  /** Maximum size of a body that is a stream of items. */
  uploadBytes?: number;
  /** Calls of one account in a minute. */
  callsPerMinute?: number;
  /** Time for the body to arrive. */
  bodySeconds?: number;
  /** Time for a stream of items to arrive. */
  uploadSeconds?: number;
  /** Time after which the call fails, if the database does not answer. */
  databaseSeconds?: number;
  /** Calls of one key in progress at the same time. */
  callsPerKey?: number;
  /** Calls in progress at the same time. */
  calls?: number;
  /** Open connections of one process. */
  connections?: number;
}

const formatCount = (count: number) => count.toLocaleString("en-US");

/** Returns `8 MiB` for 8388608; a size that is no multiple of a unit is written in bytes. */
function formatBytes(bytes: number): string {
  for (const [unit, size] of Object.entries({ GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024 })) {
    if (bytes >= size && bytes % size === 0) return `${formatCount(bytes / size)} ${unit}`;
  }
  return `${formatCount(bytes)} bytes`;
}

/** The words for each limit, in the order in which they are shown. */
const words: { [Name in keyof CallLimits]-?: (value: number) => string } = {
  items: (count) => `${formatCount(count)} items in a call`,
  pageItems: (count) => `${formatCount(count)} items in a page`,
  bodyBytes: (bytes) => `a body of ${formatBytes(bytes)}`,
  xmlBodyBytes: (bytes) => `a body in XML of ${formatBytes(bytes)}`,
  uploadBytes: (bytes) => `a stream of items of ${formatBytes(bytes)}`,
  callsPerMinute: (count) => `${formatCount(count)} calls of an account in a minute`,
  bodySeconds: (seconds) => `${formatCount(seconds)} s for the body to arrive`,
  uploadSeconds: (seconds) => `${formatCount(seconds)} s for a stream of items to arrive`,
  databaseSeconds: (seconds) => `${formatCount(seconds)} s for each answer of the database`,
  callsPerKey: (count) => `${formatCount(count)} calls of a key at the same time`,
  calls: (count) => `${formatCount(count)} calls of all keys at the same time`,
  connections: (count) => `${formatCount(count)} open connections`,
};

/** Drops the times for bodies that the call does not have. */
function selectLimits(limits: CallLimits): CallLimits {
  const { bodySeconds, uploadSeconds, ...rest } = limits;
  const hasBody = limits.bodyBytes !== undefined || limits.xmlBodyBytes !== undefined;
  return {
    ...rest,
    ...(hasBody && bodySeconds !== undefined && { bodySeconds }),
    ...(limits.uploadBytes !== undefined && uploadSeconds !== undefined && { uploadSeconds }),
  };
}

/** Returns the limits of a call as a sentence for its description, and as the field `x-reinstate-limits`. */
export function describeLimits(limits: CallLimits): { text: string | undefined; fields: Json } {
  const selected = selectLimits(limits);
  const entries = (Object.keys(words) as (keyof CallLimits)[]).flatMap((name) => {
    const value = selected[name];
    return value === undefined ? [] : [{ name: toSnakeCase(name), value, text: words[name](value) }];
  });
  if (entries.length === 0) return { text: undefined, fields: {} };
  return {
    text: `**Limits:** at most ${entries.map(({ text }) => text).join("; ")}.`,
    fields: { "x-reinstate-limits": Object.fromEntries(entries.map(({ name, value }) => [name, value])) },
  };
}

const toSnakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
