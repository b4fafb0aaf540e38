import type { Column } from "./table-shape.ts";
import type { ColumnCopy } from "./values.ts";

/**
 * Every comparison runs with `time_zone = '+00:00'`, in which each instant of a TIMESTAMP has one text. A wall clock, which all
 * other types hold, is one in the zone that the server gives to its clients.
 */
const serverZone = "@@global.time_zone";
const zero = "'0000-00-00 00:00:00'";

const isText = ({ type }: Column) => /char|text|enum|set/.test(type);
const isTime = ({ type }: Column) => /^(date|datetime|timestamp|time)$/.test(type);
const isTimestamp = ({ type }: Column) => type === "timestamp";

/** The wall clock that a column shows in the server's zone. */
const wallClock = (column: Column, value: string) =>
  isTimestamp(column) ? `IF(${value} = ${zero}, ${value}, CONVERT_TZ(${value}, '+00:00', ${serverZone}))` : value;

/** The instant at which the server's clock shows a time. */
const instant = (time: string) => `IF(${time} = ${zero}, ${time}, CONVERT_TZ(${time}, ${serverZone}, '+00:00'))`;

/** Text is compared byte by byte; a date is the midnight at its begin. */
const compare = (one: string, other: string, asText: boolean) =>
  asText ? `BINARY CONVERT(${one} USING utf8mb4) <=> BINARY CONVERT(${other} USING utf8mb4)` : `${one} <=> ${other}`;

/** A value as it is after the column has taken it in: without the digits and the hours for which it has no room. */
function stored({ type, precision }: Column, value: string): string {
  if (type === "date") return `CAST(${value} AS DATE)`;
  return `CAST(${value} AS ${type === "time" ? "TIME" : "DATETIME"}(${precision}))`;
}

/**
 * Returns how a time is copied from one column to another, or undefined if neither column holds one. Between two TIMESTAMPs the
 * instant stays, also in an hour that the clock shows twice; between columns of different types the wall clock stays. A time is
 * not kept as a number or as bytes, nor made of them: the server reads digits in more ways than one.
 */
export function copyTime(name: string, from: Column, to: Column): ColumnCopy | undefined {
  const columns = [from, to];
  if (!columns.some(isTime)) return undefined;
  const [ours, theirs] = [`s.${name}`, `t.${name}`];
  const asText = !columns.every(isTime);
  const alike = from.type === to.type;
  const source = alike ? ours : wallClock(from, ours);
  const same = compare(source, alike ? theirs : wallClock(to, theirs), asText);
  const zoned = !alike && (isTimestamp(from) || isTimestamp(to));
  const reason = `CONCAT('${name.slice(1, -1).replaceAll("'", "''")} ', COALESCE(CAST(${source} AS CHAR), 'NULL'), ' cannot be kept as ${to.type}${
    to.precision > 0 ? `(${to.precision})` : ""
  }'${zoned ? `, ' in the time zone of the server, ', ${serverZone}` : ""})`;
  const value = !alike && isTimestamp(to) ? instant(stored(to, source)) : source;
  return { value, same, ...unkeptIf(from, to, { value, source, ours, alike, asText }), reason };
}

function unkeptIf(
  from: Column,
  to: Column,
  {
    value,
    source,
    ours,
    alike,
    asText,
  }: { value: string; source: string; ours: string; alike: boolean; asText: boolean },
): Pick<ColumnCopy, "unkept"> {
  // The server fills an empty TIMESTAMP with the current time, without an error.
  const needsValue = !to.nullable && from.nullable;
  const losesDate = (from.type === "time") !== (to.type === "time") && !asText;
  const holdsAll =
    isText(to) || (alike && to.precision >= from.precision) || (from.type === "date" && to.type === "datetime");
  const isReadable = [from, to].every((column) => isTime(column) || isText(column));
  if (losesDate || !isReadable) return { unkept: needsValue ? "TRUE" : `${ours} IS NOT NULL` };
  if (holdsAll) return needsValue ? { unkept: `${ours} IS NULL` } : {};
  const kept = stored(to, value);
  const shown = alike ? kept : wallClock(to, kept);
  const inRange = isTimestamp(to) ? ` AND (${kept} = ${zero} OR UNIX_TIMESTAMP(${kept}) >= 1)` : "";
  const lost = `NOT COALESCE(${compare(source, shown, asText)}${inRange}, FALSE)`;
  return { unkept: `IF(${ours} IS NULL, ${needsValue ? "TRUE" : "FALSE"}, ${lost})` };
}

/** Returns the value of a `modify_date` that may be empty where the target needs one: the time of the lead's entry, or else now. */
export function fillModifyDate(value: string, entry: ColumnCopy | undefined, to: Column): string {
  const now = isTimestamp(to) ? "NOW()" : `CONVERT_TZ(NOW(), '+00:00', ${serverZone})`;
  const entered = entry?.unkept ? `IF(${entry.unkept}, NULL, ${entry.value})` : entry?.value;
  return `COALESCE(${[value, ...(entered ? [entered] : []), now].join(", ")})`;
}
