import { columnName, invalidColumns, mapColumns, type OpenTable, parseInteger } from "@reinstate/batch-core";
import { type XmlElement, XmlError } from "../http/xml.ts";
import { readValue } from "../http/xml-values.ts";
import { isChatIdInCcData, isPhoneInCcData } from "../schemas/channels.ts";
import { subscriptionImport } from "../schemas/requests.ts";

const plain = new Set([
  ...["db_id", "resource_id", "profile_id", "channel", "email", "phone", "provider", "subscription_id"],
  ...["status", "priority", "cats", "date", "ip", "url", "is_delete"],
]);

const integers = new Set(["db_id", "resource_id", "priority"]);

/** Fields that the server computes and returns; an import ignores them. */
const computedFields = new Set(["_xxh", "_xxm", "hash_id", "deleted_at"]);

const flags: Record<string, string> = { true: "true", "1": "true", false: "false", "0": "false" };

/**
 * Returns a reader of CSV rows. The schema types the cells, as it types the leaves of XML. An empty cell counts as absent. `channel`
 * applies to rows that name none.
 *
 * @throws `invalid_request` for an unknown column, and for two columns of one field
 */
export const subscriptionTable =
  (channel: string | undefined): OpenTable =>
  (header, line) => {
    const places = mapColumns(header, line, (name) => readField(name, line));
    return {
      read(cells) {
        const record: Record<string, string> = {};
        for (const [place, field] of places.entries()) if (field !== undefined) record[field] = cells[place] as string;
        return readRecord({ ...record, channel: record.channel || (channel ?? "") });
      },
    };
  };

/** Returns the field of a column; undefined for computed fields. Names inside `cc_data` and `custom_fields` keep their spelling. */
function readField(name: string, line: number): string | undefined {
  const field = name.trim().replace(/^[^.]*/, columnName);
  if (computedFields.has(field) || computedFields.has(name)) return undefined;
  if (plain.has(field) || /^(cc_data|custom_fields)\.[A-Za-z_][\w-]*$/.test(field)) return field;
  throw invalidColumns(line, `the column ${JSON.stringify(name)} is not known; remove it`);
}

function readRecord(record: Readonly<Record<string, string>>): { value: unknown } | { fault: string } {
  const root: XmlElement = { name: "line", text: "", children: [], array: false };
  for (const [field, text] of Object.entries(record)) {
    if (text === "") continue;
    const isInteger = integers.has(field) || (field === "cc_data.id" && isChatIdInCcData(record.channel ?? ""));
    const { integer, fault } = isInteger || field === "status" ? parseInteger(text) : {};
    if (isInteger && fault !== undefined) return { fault: `field "${field}": ${fault}` };
    const path = field === "phone" && isPhoneInCcData(record.channel ?? "") ? "cc_data.phone" : field;
    if (field === "cats") for (const cat of text.split(";")) put(root, ["cats"], cat.trim());
    else if (field === "is_delete") put(root, [field], flags[text.toLowerCase()] ?? text);
    else put(root, path.split("."), integer === undefined ? text : String(integer));
  }
  try {
    return { value: readValue(root, subscriptionImport) };
  } catch (error) {
    if (error instanceof XmlError) return { fault: error.message };
    throw error;
  }
}

function put(parent: XmlElement, [name, ...inside]: string[], text: string): void {
  if (name === undefined) return;
  const leaf = inside.length === 0;
  let element = leaf ? undefined : parent.children.find((child) => child.name === name);
  if (!element) {
    element = { name, text: leaf ? text : "", children: [], array: false };
    parent.children.push(element);
  }
  put(element, inside, text);
}
