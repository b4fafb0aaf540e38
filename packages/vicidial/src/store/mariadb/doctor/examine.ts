import type { Verb } from "../../../leads/move-types.ts";
import { canHold, widerCharset, widerType } from "../column-types.ts";
import { archive as archiveName, live as liveName, quote } from "../names.ts";
import { needsValue } from "../table-shape.ts";
import type { ColumnFacts, Finding, TableFacts } from "./diagnosis.ts";

/** Returns the definition of a column for ALTER TABLE. */
function writeDefinition(column: ColumnFacts): string {
  const charset = column.charset ? ` CHARACTER SET ${column.charset} COLLATE ${column.collation}` : "";
  const standard = column.default === null ? (column.nullable ? " DEFAULT NULL" : "") : ` DEFAULT ${column.default}`;
  const extra = / on update /i.test(` ${column.extra} `) ? ` ${column.extra}` : "";
  const comment = column.comment ? ` COMMENT ${quoteText(column.comment)}` : "";
  return `${quote(column.name)} ${column.type}${charset}${column.nullable ? " NULL" : " NOT NULL"}${standard}${extra}${comment}`;
}

const quoteText = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

const isRequired = (column: ColumnFacts) =>
  needsValue({ ...column, nullable: column.nullable ? "YES" : "NO", standard: column.default });
const isGenerated = ({ extra }: ColumnFacts) => /GENERATED/i.test(extra);
const isLeadId = ({ name }: ColumnFacts) => name.toLowerCase() === "lead_id";
const isModifyDate = ({ name }: ColumnFacts) => name.toLowerCase() === "modify_date";

/** Compares the two lead tables. A missing table is undefined. */
export function examine(live: TableFacts | undefined, archive: TableFacts | undefined): Finding[] {
  const findings: Finding[] = [];
  if (!live) return [{ severity: "refused", what: `The VICIdial database has no table ${liveName}` }];
  if (!archive) {
    return [
      {
        severity: "refused",
        what: `The VICIdial database has no table ${archiveName}`,
        advice: `CREATE TABLE ${quote(archiveName)} LIKE ${quote(liveName)}; ALTER TABLE ${quote(archiveName)} MODIFY \`lead_id\` INT(9) UNSIGNED NOT NULL;`,
      },
    ];
  }
  for (const table of [live, archive]) {
    if (!table.unique) {
      findings.push({
        severity: "refused",
        what: `${table.name} has no unique key on lead_id${
          (table.doubled ?? 0) > 0
            ? `; ${table.doubled} ids occur more than once or are NULL and must be resolved first`
            : ""
        }`,
        ...(table.doubled === 0 && { advice: `ALTER TABLE ${quote(table.name)} ADD PRIMARY KEY (\`lead_id\`);` }),
      });
    }
    for (const trigger of table.triggers) {
      findings.push({
        severity: "refused",
        what: `${table.name} has the trigger ${trigger}, which could change moved leads`,
      });
    }
  }
  if (live.engine.toLowerCase() !== archive.engine.toLowerCase()) {
    findings.push({
      severity: "note",
      what: `The tables have different engines (${live.engine}, ${archive.engine}): no transaction covers both`,
    });
  }
  const positions = new Map(live.columns.map(({ name }, index) => [name.toLowerCase(), index]));
  const order = archive.columns.map(({ name }) => positions.get(name.toLowerCase())).filter((at) => at !== undefined);
  if (order.some((at, index) => index > 0 && at < (order[index - 1] as number))) {
    findings.push({
      severity: "note",
      what: "The columns have a different order: SELECT * between the tables swaps values (moves copy by name)",
    });
  }
  findings.push(...refusals("archive", live, archive), ...refusals("dearchive", archive, live));
  for (const column of live.columns) {
    const duplicate = findCounterpart(column, archive);
    if (duplicate && !isGenerated(column) && !isGenerated(duplicate)) {
      findings.push(...differences(column, duplicate, archive.unstamped));
    }
  }
  return findings;
}

/** Returns the causes that refuse one verb: the target must have every column, and need no other. */
function refusals(verb: Verb, source: TableFacts, target: TableFacts): Finding[] {
  const consequence = `leads cannot be ${verb}d`;
  const findings: Finding[] = [];
  for (const column of source.columns) {
    // The server generates its value, so it is not copied.
    if (isGenerated(column)) continue;
    const counterpart = findCounterpart(column, target);
    if (!counterpart) {
      findings.push({
        severity: "refused",
        verb,
        what: `${target.name} has no column ${column.name}: ${consequence}`,
        advice: `ALTER TABLE ${quote(target.name)} ADD COLUMN ${writeDefinition(column)};`,
      });
    } else if (isGenerated(counterpart)) {
      findings.push({
        severity: "refused",
        verb,
        what: `${column.name} is a generated column in ${target.name} only: ${consequence}`,
      });
    }
  }
  for (const column of target.columns) {
    if (!isRequired(column) || findCounterpart(column, source)) continue;
    findings.push({
      severity: "refused",
      verb,
      what: `Column ${column.name} of ${target.name} needs a value and does not exist in ${source.name}: ${consequence}`,
      advice: `ALTER TABLE ${quote(target.name)} MODIFY COLUMN ${writeDefinition({ ...column, nullable: true })};`,
    });
  }
  return findings;
}

const findCounterpart = ({ name }: ColumnFacts, { columns }: TableFacts) =>
  columns.find((column) => column.name.toLowerCase() === name.toLowerCase());

/** Returns how a column differs in the two tables. The first finding has the statements for all, at most one for each table. */
function differences(live: ColumnFacts, archive: ColumnFacts, unstamped: number | undefined): Finding[] {
  const { name } = live;
  const findings: Finding[] = [];
  if (!(canHold(live.type, archive.type, live.charset) && canHold(archive.type, live.type, live.charset))) {
    findings.push({
      severity: "risk",
      what: `${name} is ${live.type} in ${liveName} and ${archive.type} in ${archiveName}: ${
        [live, archive].some(({ type }) => /^timestamp/.test(type))
          ? "the wall-clock time of the server's zone is kept, and "
          : ""
      }values that do not fit are refused`,
    });
  }
  if (live.charset !== archive.charset && live.charset && archive.charset) {
    findings.push({
      severity: "risk",
      what: `${name} has the character set ${live.charset} in ${liveName} and ${archive.charset} in ${archiveName}`,
    });
  }
  const loose = live.nullable ? liveName : archiveName;
  const isStamped = isModifyDate(live) && loose === archiveName;
  if (live.nullable !== archive.nullable && !isLeadId(live)) {
    let what = `${name} can be NULL in ${loose} only: a lead without it cannot be moved from there`;
    if (isModifyDate(live)) {
      what = `${name} can be NULL in ${loose} only: a lead without it gets its entry_date when it is moved`;
    }
    if (isStamped && unstamped) {
      what += ` (${unstamped} leads; to forbid it, these need an UPDATE first: SET modify_date = COALESCE(entry_date, NOW()) WHERE modify_date IS NULL)`;
    }
    findings.push({ severity: isModifyDate(live) ? "note" : "risk", what });
  }
  const [first, ...rest] = findings;
  if (!first || isLeadId(live)) return findings;
  // Vendor quirk: on a change to NOT NULL the server fills in the current time, even in strict mode.
  const full = isStamped ? { ...archive, nullable: false, default: live.default, extra: live.extra } : archive;
  const wide = [widen(live, full), widen(unstamped === 0 ? full : archive, live)];
  if (wide.includes(undefined)) {
    return [{ ...first, what: `${first.what}; no ALTER keeps every value of both, so decide by hand` }, ...rest];
  }
  const statements = [live, archive].flatMap((column, index) => {
    const definition = writeDefinition(wide[index] as ColumnFacts);
    const table = quote(index === 0 ? liveName : archiveName);
    return definition === writeDefinition(column) ? [] : [`ALTER TABLE ${table} MODIFY COLUMN ${definition};`];
  });
  return [{ ...first, ...(statements.length > 0 && { advice: statements.join(" ") }) }, ...rest];
}

/** Returns the column with a type that also holds the values of the other column, or undefined if there is no such type. */
function widen(column: ColumnFacts, other: ColumnFacts): ColumnFacts | undefined {
  const charset = column.charset && other.charset && widerCharset(column.charset, other.charset);
  const type = widerType(column, other, charset);
  // A key over a text or a blob needs a length, which depends on the queries.
  const losesKey = column.indexed && /(text|blob)$/.test(type ?? "") && !/(text|blob)$/.test(column.type);
  if (type === undefined || losesKey) return undefined;
  const collation = [column, other].find((one) => one.charset === charset)?.collation ?? "utf8mb4_unicode_ci";
  return { ...column, type, charset, ...(charset && { collation }), nullable: column.nullable || other.nullable };
}
