import { identity } from "../../leads/columns.ts";
import { MoveRefused } from "../../leads/move-errors.ts";
import { quote } from "./names.ts";
import type { Column, Table } from "./table-shape.ts";
import { copyTime, fillModifyDate } from "./times.ts";
import { copyValue, mayAlter } from "./values.ts";

/**
 * The statements of one verb. Each takes a list of ids as its one parameter. `s` is the source row, `t` the target row.
 *
 * A lead that the target cannot hold stays in the source. Three words describe how that is found:
 *
 * - unkept: before the copy. A condition on the source row predicts that a value would be lost.
 * - alterable: after the copy. The type of a column may alter a value without an error, so the copies are compared and undone.
 * - unfit: the result. The leads that are unkept or were altered, and those that the server rejected, each with the reason.
 */
export interface Statements {
  source: string;
  /** The quoted names of the copied columns; `lead_id` is the first. */
  columns: string[];
  /** The quoted names of binary columns, whose images are hexadecimal digits. */
  binary: Set<string>;
  /** Selects the image of every source row. */
  images: string;
  /** Selects, for every lead in both tables, its id and the differing columns, each followed by a comma. */
  duplicates: string;
  /** Selects the image of every target row. */
  targetImages: string;
  /** Selects the id of every unkept lead, and the reason. Absent if every value fits. */
  unkept?: string;
  /** The alterable columns, as `duplicates` names them. */
  alterable: ReadonlySet<string>;
  target: string;
  /** Deletes target rows. */
  removeCopies: string;
  inSource: string;
  countInSource: string;
  inTarget: string;
  insert: string;
  update: string;
  /** Verifies and deletes in one statement. */
  delete: string;
  lockTables: string;
  /** Columns in which NULL becomes a default in the target. */
  substituted: string[];
}

const isLeadId = ({ name }: Column) => name.toLowerCase() === "lead_id";

/** The SQL of one copied column. */
interface CopiedColumn {
  /** The quoted name. */
  name: string;
  value: string;
  same: string;
  unkept?: string;
  reason?: string;
  /** True if the target may store an altered value without an error. */
  isAlterable: boolean;
  /** Returns the expression of a column in an image. */
  text(column: string): string;
}

/**
 * Builds the statements of one verb.
 *
 * @throws MoveRefused if the target lacks a column of the source, or needs a value for a column that the source lacks.
 */
export function buildStatements(from: Table, to: Table): Statements {
  refuseRequired(from, to);
  const { copied, binary, substituted } = pairColumns(from, to);
  const [source, target] = [quote(from.name), quote(to.name)];
  const names = copied.map(({ name }) => name).join(", ");
  const values = copied.map(({ value }) => value).join(", ");
  const equal = copied.map(({ same }) => same).join(" AND ");
  const identityPairs = copied.filter(({ name }) => identity.some((one) => name.toLowerCase() === quote(one)));
  const sameLead = identityPairs.map(({ same }) => same).join(" OR ") || "TRUE";
  const differing = copied.map(({ name, same }) => `IF(${same}, '', '${name.slice(1, -1).replaceAll("'", "''")},')`);
  // Performance: to concatenate the columns on the server takes half as long again.
  const image = (table: string) => copied.map(({ name, text }) => text(`${table}.${name}`)).join(", ");
  // FORCE INDEX: a locking read locks every row it reads, and the server prefers a full scan on small tables.
  const s = `${source} AS s FORCE INDEX (${quote(from.key)})`;
  const t = `${target} AS t FORCE INDEX (${quote(to.key)})`;
  const both = `${s} JOIN ${t} ON t.\`lead_id\` = s.\`lead_id\``;
  const lossy = copied.filter(({ unkept }) => unkept);
  const reasons = lossy.map(({ unkept, reason }) => `IF(${unkept}, ${reason}, NULL)`).join(", ");
  return {
    source,
    target,
    columns: copied.map(({ name }) => name),
    binary,
    images: `SELECT ${image("s")} FROM ${s} WHERE s.\`lead_id\` IN (?)`,
    // Performance: the target first, because it usually holds none of the leads.
    duplicates: `SELECT STRAIGHT_JOIN t.\`lead_id\`, CONCAT(${differing.join(", ")})
      FROM ${t} JOIN ${s} ON s.\`lead_id\` = t.\`lead_id\` WHERE t.\`lead_id\` IN (?)`,
    targetImages: `SELECT ${image("t")} FROM ${target} AS t WHERE t.\`lead_id\` IN (?)`,
    ...(lossy.length > 0 && {
      unkept: `SELECT s.\`lead_id\`, CONCAT_WS('; ', ${reasons}) FROM ${s}
        WHERE s.\`lead_id\` IN (?) AND (${lossy.map(({ unkept }) => unkept).join(" OR ")})`,
    }),
    alterable: new Set(copied.filter(({ isAlterable }) => isAlterable).map(({ name }) => name.slice(1, -1))),
    removeCopies: `DELETE t FROM ${target} AS t WHERE t.\`lead_id\` IN (?)`,
    inSource: `SELECT s.\`lead_id\` FROM ${source} AS s WHERE s.\`lead_id\` IN (?)`,
    countInSource: `SELECT COUNT(*) FROM ${source} AS s WHERE s.\`lead_id\` IN (?)`,
    inTarget: `SELECT t.\`lead_id\` FROM ${target} AS t WHERE t.\`lead_id\` IN (?)`,
    insert: `INSERT INTO ${target} (${names}) SELECT ${values} FROM ${s} WHERE s.\`lead_id\` IN (?)
      AND NOT EXISTS (SELECT 1 FROM ${target} AS t WHERE t.\`lead_id\` = s.\`lead_id\`)`,
    // Every column is set, so that no ON UPDATE timestamp applies.
    update: `UPDATE ${both} SET ${copied.map(({ name, value }) => `t.${name} = ${value}`).join(", ")}
      WHERE s.\`lead_id\` IN (?) AND NOT (${equal}) AND (${sameLead})`,
    delete: `DELETE s FROM ${both} WHERE s.\`lead_id\` IN (?) AND ${equal}`,
    lockTables: `LOCK TABLES ${source} WRITE, ${source} AS s WRITE, ${target} WRITE, ${target} AS t WRITE`,
    substituted,
  };
}

/** The columns that a move copies, those in binary, and those that are filled because they are empty. */
interface ColumnPairs {
  copied: CopiedColumn[];
  binary: Set<string>;
  substituted: string[];
}

/** Pairs the columns of the source with those of the target. */
function pairColumns(from: Table, to: Table): ColumnPairs {
  const counterparts = new Map(to.columns.map((column) => [column.name.toLowerCase(), column]));
  const copied: CopiedColumn[] = [];
  const binary = new Set<string>();
  const substituted: string[] = [];
  const leadIdFirst = from.columns.toSorted((a, b) => Number(isLeadId(b)) - Number(isLeadId(a)));
  for (const column of leadIdFirst) {
    // The target generates its own value, so a generated column is neither copied nor compared.
    if (column.generated) continue;
    const counterpart = counterparts.get(column.name.toLowerCase());
    if (!counterpart || counterpart.generated) {
      throw new MoveRefused(
        `Column ${column.name} of ${from.name} does not exist in ${to.name}; its data would be lost`,
      );
    }
    const name = quote(column.name);
    const isFilled = column.name.toLowerCase() === "modify_date" && column.nullable && !counterpart.nullable;
    const place = isFilled ? { ...counterpart, nullable: true } : counterpart;
    const time = copyTime(name, column, place);
    const { unkept, reason, ...copy } = time ?? copyValue(name, column, place);
    let { value, same } = copy;
    if (isFilled) {
      const entry = from.columns.find((one) => one.name.toLowerCase() === "entry_date");
      value = fillModifyDate(value, entry && copyTime("`entry_date`", entry, counterpart), counterpart);
      // The copy of an empty value was filled, so it counts as equal.
      same = `(s.${name} IS NULL OR ${same})`;
      substituted.push(column.name);
    }
    const isBinary = /blob|binary|bit|geometry|point|linestring|polygon/.test(column.type);
    if (isBinary) binary.add(name);
    const isText = /char|text|enum|set|date|time/.test(column.type);
    const text = (value: string) => (isBinary ? `HEX(${value})` : isText ? value : `CONVERT(${value} USING utf8mb4)`);
    const isAlterable = !time && mayAlter(column, counterpart);
    copied.push({
      name,
      value,
      same,
      isAlterable,
      text,
      ...(unkept && { unkept, reason }),
    });
  }
  return { copied, binary, substituted };
}

function refuseRequired(from: Table, to: Table): void {
  const names = new Set(from.columns.map(({ name }) => name.toLowerCase()));
  const needed = to.columns.find(({ name, required }) => required && !names.has(name.toLowerCase()));
  if (!needed) return;
  throw new MoveRefused(
    `Column ${needed.name} of ${to.name} needs a value and does not exist in ${from.name}; give the column a default`,
  );
}
