import { subscriptionImport } from "./schemas.ts";
import type { XmlElement } from "./xml.ts";
import { readValue } from "./xml-values.ts";

const plain = new Set([
  ...["db_id", "resource_id", "profile_id", "channel", "email", "phone", "provider", "subscription_id"],
  ...["status", "priority", "cats", "date", "ip", "url", "is_delete"],
]);

/** What pages and profiles show of a subscription and nobody gives. */
const made = new Set(["_xxh", "_xxm", "hash_id", "deleted_at"]);

export const isIgnored = (name: string): boolean => made.has(name);

/** Is there nothing that a column of this name could mean? */
export const unknownColumn = (name: string): boolean =>
  !plain.has(name) && !isIgnored(name) && !/^(cc_data|custom_fields)\.[A-Za-z_][\w-]*$/.test(name);

/** The channels whose phone stands in `cc_data`. */
const phoneInside = new Set(["whatsapp", "viber", "notify"]);

/**
 * A record of a CSV as the subscription that it describes. It is text like the leaves of XML, and typed like them: by the
 * schema. An empty field is nothing.
 */
export function csvRowOf(record: Readonly<Record<string, string>>): Record<string, unknown> {
  const root: XmlElement = { name: "line", text: "", children: [], array: false };
  for (const [column, text] of Object.entries(record)) {
    if (text === "") continue;
    const path = column === "phone" && phoneInside.has(record.channel ?? "") ? "cc_data.phone" : column;
    if (column === "cats") {
      for (const cat of text.split(";")) put(root, ["cats"], cat.trim());
    } else if (column === "is_delete") put(root, [column], text === "1" ? "true" : text === "0" ? "false" : text);
    else put(root, path.split("."), text);
  }
  return readValue(root, subscriptionImport) as Record<string, unknown>;
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
