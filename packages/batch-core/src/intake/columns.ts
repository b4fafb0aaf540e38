import { invalidRequest, type ReinstateError } from "../errors.ts";
import { findFlags, readSafetyFlags } from "../safety-flags.ts";
import type { ItemShape, Kind } from "./item-schema.ts";

/** Makes an item of the cells of a row. `second` reads anew the cells whose kind the schema leaves open. */
export type RowReader = (cells: readonly string[]) => { item: unknown; second?: () => unknown };

/** The names of the column that holds the ids, where no other is named. */
const idColumns = ["id", "lead_id", "promoter_id"];

/** The place of the column that holds the items. Throws `invalid_request` where that is not clear. */
export function pickColumn(header: readonly string[], column: string | undefined): number {
  rejectFlagColumns(header);
  if (column === undefined && header.length === 1) return 0;
  const names = column === undefined ? idColumns : [column];
  const place = header.findIndex((name) => names.includes(name) || names.includes(name.toLowerCase()));
  if (place >= 0) return place;
  throw refusal(
    "line 1",
    `there is no column ${names.join(" or ")} (there are: ${header.join(", ").slice(0, 500)}); ?column= names another`,
  );
}

/** Rows whose item stands in one cell. */
export function cellReader(header: readonly string[], shape: ItemShape, column: string | undefined): RowReader {
  const place = pickColumn(header, column);
  const kinds = shape.kindsAt([]);
  return (cells) => ({ item: converted(cells[place] ?? "", kinds) });
}

/** Rows whose cells are the fields of an object: `cc_data.id` is a field in a field; an empty cell is a field that is not there. */
export function fieldsReader(header: readonly string[], shape: ItemShape, column: string | undefined): RowReader {
  if (column !== undefined) throw refusal("column", "these items have a column for each field");
  rejectFlagColumns(header);
  const paths = header.map((name) => name.split("."));
  header.forEach((name, place) => {
    if (name === "" || paths[place]?.some((step) => step === "" || step === "__proto__")) {
      throw refusal("line 1", `the column ${place + 1} has no name that a field can have`);
    }
    const rival = header.find((other, at) => (other === name && at !== place) || other.startsWith(`${name}.`));
    if (rival !== undefined) throw refusal("line 1", `the columns ${name} and ${rival} are for one field`);
  });
  const kinds = paths.map((path) => shape.kindsAt(path));
  // Cells stay text where text may stand; where something else may stand too, it is the second reading.
  const open = kinds.some((kinds) => isText(kinds) && kinds.size > 1);
  const build = (cells: readonly string[], second: boolean) => {
    const item: Fields = {};
    cells.forEach((cell, place) => {
      const path = paths[place] as string[];
      const kind = kinds[place] as Set<Kind>;
      if (cell !== "") put(item, path, isText(kind) && !second ? cell : converted(cell, kind));
    });
    return item;
  };
  return (cells) => ({ item: build(cells, false), ...(open && { second: () => build(cells, true) }) });
}

/** A column would be ignored, and a dry run would be a real one. */
function rejectFlagColumns(header: readonly string[]): void {
  readSafetyFlags({ place: "body", fields: findFlags(header.map((name) => [name, undefined])) });
}

type Fields = { [name: string]: unknown };

function put(item: Fields, path: readonly string[], value: unknown): void {
  let at = item;
  for (const step of path.slice(0, -1)) {
    if (!Object.hasOwn(at, step)) at[step] = {};
    at = at[step] as Fields;
  }
  at[path.at(-1) as string] = value;
}

const isText = (kinds: ReadonlySet<Kind>) => kinds.size === 0 || kinds.has("string") || kinds.has("any");

/** The cell as the first kind that it can be; else as text, which the schema will refuse by its own words. */
function converted(cell: string, kinds: ReadonlySet<Kind>): unknown {
  if ((kinds.has("integer") || kinds.has("number")) && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(cell)) return Number(cell);
  if (kinds.has("boolean") && /^(true|false)$/i.test(cell)) return cell.toLowerCase() === "true";
  if (kinds.has("null") && cell === "null") return null;
  if ((kinds.has("array") && cell.startsWith("[")) || (kinds.has("object") && cell.startsWith("{"))) {
    try {
      return JSON.parse(cell) as unknown;
    } catch {
      return cell;
    }
  }
  return cell;
}

function refusal(path: string, message: string): ReinstateError {
  return invalidRequest({ path, message });
}
