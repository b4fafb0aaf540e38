import { canHold, integerBits } from "./column-types.ts";
import type { Column } from "./table-shape.ts";

/** The SQL that copies and compares one column. `s.` is the source, `t.` the target. */
export interface ColumnCopy {
  /** The value for the target. */
  value: string;
  /** A condition: both rows hold the same value. */
  same: string;
  /** A condition: the target cannot hold the value. */
  unkept?: string;
  /** The message for such a value. */
  reason: string;
}

const isText = ({ type }: Column) => /char|text|enum|set/.test(type);
const isBytes = ({ type }: Column) => /binary|blob/.test(type);
const isExact = ({ type }: Column) => /int$|^decimal$/.test(type);
const isInexact = ({ type }: Column) => /^(float|double)$/.test(type);
const isUnsigned = ({ definition }: Column) => definition.includes("unsigned");

const textBytes: Record<string, number> = { tinytext: 2 ** 8 - 1, text: 2 ** 16 - 1, mediumtext: 2 ** 24 - 1 };

/** True if the target's type may alter a value without an error, such as cut trailing spaces. */
export const mayAlter = (from: Column, to: Column) => !canHold(to.definition, from.definition, to.charset);

/** Returns how a value that is not a time is copied. Unusual types show only after the copy whether they hold the value. */
export function copyValue(name: string, from: Column, to: Column): ColumnCopy {
  const ours = `s.${name}`;
  const fits = mayAlter(from, to) || mayLackCharacters(from, to) ? fitsInto(ours, from, to) : undefined;
  const faults = [
    ...(from.nullable && !to.nullable ? [`${ours} IS NULL`] : []),
    ...(fits === undefined ? [] : [`(${ours} IS NOT NULL AND NOT COALESCE(${fits}, FALSE))`]),
  ];
  const type = `${to.definition}${to.charset === from.charset ? "" : ` ${to.charset ?? ""}`}`;
  return {
    value: ours,
    same: compareValues(ours, from, `t.${name}`, to),
    ...(faults.length > 0 && { unkept: `(${faults.join(" OR ")})` }),
    reason: `'${`${name.slice(1, -1)} does not fit into ${type}`.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`,
  };
}

/** Compares two values: NULL equals only NULL, and text is compared byte by byte in any collation and character set. */
function compareValues(one: string, from: Column, other: string, to: Column): string {
  if ([from, to].some((column) => isText(column) || isBytes(column))) {
    const isAlike = isText(from) && isText(to) && from.charset === to.charset;
    const bytes = (value: string, column: Column) =>
      `BINARY ${isAlike || isBytes(column) ? value : `CONVERT(${value} USING utf8mb4)`}`;
    return `${bytes(one, from)} <=> ${bytes(other, to)}`;
  }
  const same = `${one} <=> ${other}`;
  if (!(isInexact(from) && isExact(to)) && !(isExact(from) && isInexact(to))) return same;
  // The server compares them as floating-point numbers, which makes adjacent large integers equal.
  const [exact, otherExact] = [one, other].map((value) => `CAST(${value} AS DECIMAL(65,30))`);
  return `(${same} AND ${exact} <=> ${otherExact})`;
}

const mayLackCharacters = (from: Column, to: Column) =>
  from.charset !== to.charset && to.charset !== null && to.charset !== "utf8mb4";

/** Returns a condition that is true if a column stores the value unchanged, or undefined if that cannot be predicted. */
function fitsInto(value: string, from: Column, to: Column): string | undefined {
  if (!isText(from) && !isExact(from)) return undefined;
  const isKept = (stored: string) =>
    compareValues(value, { ...from, charset: null }, stored, { ...to, charset: "utf8mb4" });
  const bits = integerBits[to.type];
  if (bits !== undefined) {
    const stored = `CAST(${value} AS ${isUnsigned(to) ? "UNSIGNED" : "SIGNED"})`;
    const size = 2n ** BigInt(bits);
    const least = isUnsigned(to) ? 0n : -size / 2n;
    return `(${isKept(stored)} AND ${stored} BETWEEN ${least} AND ${least + size - 1n})`;
  }
  const [width, decimals = 0] = [...to.definition.matchAll(/\d+/g)].map(Number);
  if (to.type === "decimal") {
    const stored = `CAST(${value} AS DECIMAL(${width},${decimals}))`;
    return isUnsigned(to) ? `(${isKept(stored)} AND ${stored} >= 0)` : isKept(stored);
  }
  if (to.type === "enum" && isText(from) && !to.definition.includes("\\")) {
    return `BINARY CONVERT(${value} USING utf8mb4) IN ${to.definition.slice("enum".length)}`;
  }
  const encoded = (text: string) => `CONVERT(${text} USING ${to.charset})`;
  if (to.type === "varchar") return isKept(encoded(`CAST(${value} AS CHAR(${width}))`));
  if (to.type === "char") return isKept(encoded(`RTRIM(CAST(${value} AS CHAR(${width})))`));
  const bytes = textBytes[to.type];
  if (bytes === undefined) return undefined;
  return `(${isKept(encoded(value))} AND OCTET_LENGTH(${encoded(value)}) <= ${bytes})`;
}
