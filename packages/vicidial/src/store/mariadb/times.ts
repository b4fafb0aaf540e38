import type { Column } from "./table-shape.ts";
import type { ColumnCopy } from "./values.ts";

/**
 * The zone of wall-clock times, which all types but TIMESTAMP hold. Comparisons run with `time_zone = '+00:00'`, in which each
 * instant of a TIMESTAMP has one text.
 */
const serverZone = "@@global.time_zone";
const zero = "'0000-00-00 00:00:00'";

const isText = ({ type }: Column) => /char|text|enum|set/.test(type);
const isTime = ({ type }: Column) => /^(date|datetime|timestamp|time)$/.test(type);
const isTimestamp = ({ type }: Column) => type === "timestamp";

/** Returns the wall-clock time of a column in the server's zone. */
const wallClock = (column: Column, value: string) =>
  isTimestamp(column) ? `IF(${value} = ${zero}, ${value}, CONVERT_TZ(${value}, '+00:00', ${serverZone}))` : value;

/** Returns the instant of a wall-clock time in the server's zone. */
const instant = (time: string) => `IF(${time} = ${zero}, ${time}, CONVERT_TZ(${time}, ${serverZone}, '+00:00'))`;

/** Compares text byte by byte. A date counts as its first midnight. */
const compareTimes = (one: string, other: string, asText: boolean) =>
  asText ? `BINARY CONVERT(${one} USING utf8mb4) <=> BINARY CONVERT(${other} USING utf8mb4)` : `${one} <=> ${other}`;

/** Returns a value as the column stores it, without the digits and hours that it cannot hold. */
function stored({ type, precision }: Column, value: string): string {
  if (type === "date") return `CAST(${value} AS DATE)`;
  return `CAST(${value} AS ${type === "time" ? "TIME" : "DATETIME"}(${precision}))`;
}

/**
 * Returns how a time is copied from one column to another, or undefined if neither column holds one. Two TIMESTAMPs keep the
 * instant, also in an hour that the clock shows twice. Columns of different types keep the wall-clock time. A time is never
 * converted to or from a number or bytes, because the server reads digits in several ways.
 */
export function copyTime(name: string, from: Column, to: Column): ColumnCopy | undefined {
  const columns = [from, to];
  if (!columns.some(isTime)) return undefined;
  const [ours, theirs] = [`s.${name}`, `t.${name}`];
  const asText = !columns.every(isTime);
  const alike = from.type === to.type;
  const source = alike ? ours : wallClock(from, ours);
  const same = compareTimes(source, alike ? theirs : wallClock(to, theirs), asText);
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
  // Vendor quirk: the server fills an empty TIMESTAMP with the current time, without an error.
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
  const lost = `NOT COALESCE(${compareTimes(source, shown, asText)}${inRange}, FALSE)`;
  return { unkept: `IF(${ours} IS NULL, ${needsValue ? "TRUE" : "FALSE"}, ${lost})` };
}

/** Returns the value of an empty `modify_date` for a target that needs one: the entry date of the lead, else the current time. */
export function fillModifyDate(value: string, entry: ColumnCopy | undefined, to: Column): string {
  const now = isTimestamp(to) ? "NOW()" : `CONVERT_TZ(NOW(), '+00:00', ${serverZone})`;
  const entered = entry?.unkept ? `IF(${entry.unkept}, NULL, ${entry.value})` : entry?.value;
  return `COALESCE(${[value, ...(entered ? [entered] : []), now].join(", ")})`;
}
