/** One column of a lead table, as information_schema tells it. */
export interface ColumnFacts {
  name: string;
  /** With its width and its values: `varchar(30)`, `enum('Y','N')`. */
  type: string;
  nullable: boolean;
  default: string | null;
  extra: string;
  charset: string | null;
  collation: string | null;
}

export interface TableFacts {
  name: string;
  engine: string;
  columns: ColumnFacts[];
  /** Is there a unique key on `lead_id` alone? */
  unique: boolean;
  /** Ids that lie in it more than once, where there is no such key. */
  doubled: number;
  triggers: string[];
}

/** What is not as it should be, and the statement that we would advise; none is ever run. */
export interface Finding {
  /** `refused`: leads cannot be moved so. `risk`: some leads cannot be moved, or only with a loss of time. `note`: good to know. */
  severity: "refused" | "risk" | "note";
  what: string;
  advice?: string;
}

const q = (name: string) => `\`${name.replaceAll("`", "``")}\``;

/** The definition of a column, as ALTER TABLE takes it. */
function definitionOf(column: ColumnFacts): string {
  const charset = column.charset ? ` CHARACTER SET ${column.charset} COLLATE ${column.collation}` : "";
  const standard = column.default === null ? (column.nullable ? " DEFAULT NULL" : "") : ` DEFAULT ${column.default}`;
  const extra = / on update /i.test(` ${column.extra} `) ? ` ${column.extra}` : "";
  return `${q(column.name)} ${column.type}${charset}${column.nullable ? " NULL" : " NOT NULL"}${standard}${extra}`;
}

/** Compares the two lead tables. `live` and `archive` as they are; undefined where one is missing. */
export function examine(live: TableFacts | undefined, archive: TableFacts | undefined): Finding[] {
  const findings: Finding[] = [];
  if (!live) return [{ severity: "refused", what: "There is no table vicidial_list" }];
  if (!archive) {
    return [
      {
        severity: "refused",
        what: "There is no table vicidial_list_archive",
        advice:
          "CREATE TABLE vicidial_list_archive LIKE vicidial_list; ALTER TABLE vicidial_list_archive MODIFY lead_id INT(9) UNSIGNED NOT NULL;",
      },
    ];
  }
  for (const table of [live, archive]) {
    if (!["innodb", "myisam", "aria"].includes(table.engine.toLowerCase())) {
      findings.push({ severity: "refused", what: `${table.name} is ${table.engine}, which is not supported` });
    }
    if (!table.unique) {
      const doubled =
        table.doubled > 0 ? `; ${table.doubled} ids lie in it more than once and must be sorted out first` : "";
      findings.push({
        severity: "refused",
        what: `${table.name} has no unique key on lead_id${doubled}`,
        advice: `ALTER TABLE ${q(table.name)} ADD PRIMARY KEY (\`lead_id\`);`,
      });
    }
    for (const trigger of table.triggers) {
      findings.push({
        severity: "refused",
        what: `${table.name} has the trigger ${trigger}, which could change what is moved`,
      });
    }
  }
  if (live.engine.toLowerCase() !== archive.engine.toLowerCase()) {
    findings.push({
      severity: "note",
      what: `The tables have different engines (${live.engine}, ${archive.engine}): no transaction holds over both`,
    });
  }
  const positions = new Map(live.columns.map(({ name }, index) => [name.toLowerCase(), index]));
  const order = archive.columns.map(({ name }) => positions.get(name.toLowerCase())).filter((at) => at !== undefined);
  if (order.some((at, index) => index > 0 && at < (order[index - 1] as number))) {
    findings.push({
      severity: "note",
      what: "The columns stand in another order: SELECT * between the tables swaps values (we copy by name)",
    });
  }
  for (const column of live.columns) {
    const twin = archive.columns.find(({ name }) => name.toLowerCase() === column.name.toLowerCase());
    if (!twin) {
      findings.push({
        severity: "refused",
        what: `vicidial_list_archive has no column ${column.name}: leads cannot be archived`,
        advice: `ALTER TABLE vicidial_list_archive ADD COLUMN ${definitionOf(column)};`,
      });
    } else findings.push(...differences(column, twin));
  }
  for (const column of archive.columns) {
    if (live.columns.some(({ name }) => name.toLowerCase() === column.name.toLowerCase())) continue;
    findings.push({
      severity: "refused",
      what: `vicidial_list has no column ${column.name}: leads cannot be dearchived`,
      advice: `ALTER TABLE vicidial_list ADD COLUMN ${definitionOf(column)};`,
    });
  }
  return findings;
}

function differences(live: ColumnFacts, archive: ColumnFacts): Finding[] {
  const { name } = live;
  const findings: Finding[] = [];
  const isId = name.toLowerCase() === "lead_id";
  const adviceFor = (table: string, column: ColumnFacts) =>
    `ALTER TABLE ${table} MODIFY COLUMN ${definitionOf(column)};`;
  if (live.type.toLowerCase() !== archive.type.toLowerCase()) {
    const [less, more] = contains(live.type, archive.type)
      ? [{ table: "vicidial_list_archive", column: archive }, live]
      : [{ table: "vicidial_list", column: live }, archive];
    findings.push({
      severity: "risk",
      what: `${name} is ${live.type} in vicidial_list and ${archive.type} in vicidial_list_archive: values that do not fit are refused`,
      ...(!isId && { advice: adviceFor(less.table, { ...less.column, type: more.type }) }),
    });
  }
  if (live.charset !== archive.charset && live.charset && archive.charset) {
    findings.push({
      severity: "risk",
      what: `${name} has the character set ${live.charset} in vicidial_list and ${archive.charset} in vicidial_list_archive`,
      advice: adviceFor("vicidial_list_archive", { ...archive, charset: live.charset, collation: live.collation }),
    });
  }
  if (live.nullable !== archive.nullable && !isId) {
    const loose = live.nullable ? "vicidial_list" : "vicidial_list_archive";
    findings.push({
      severity: name.toLowerCase() === "modify_date" && archive.nullable ? "note" : "risk",
      what: `${name} can be NULL in ${loose} alone: a lead without it cannot be moved out of there`,
      advice: live.nullable
        ? adviceFor("vicidial_list_archive", { ...archive, nullable: true })
        : adviceFor("vicidial_list_archive", { ...archive, nullable: false, default: live.default, extra: live.extra }),
    });
  }
  return findings;
}

/** Has the first type room for everything that the second can hold? Of widths and of enumerations. */
function contains(one: string, other: string): boolean {
  const words = (type: string) => type.toLowerCase().match(/'(?:[^']|'')*'/g);
  const [ours, theirs] = [words(one), words(other)];
  if (ours && theirs) return theirs.every((word) => ours.includes(word));
  const width = (type: string) => Number(/\((\d+)/.exec(type)?.[1] ?? 0);
  return width(one) >= width(other);
}
