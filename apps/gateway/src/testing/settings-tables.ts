import { join } from "node:path";
import type { Vendor } from "@reinstate/batch-core";
import { type PropertyDoc, readPropertyDocs } from "@reinstate/tooling/property-docs";
import * as z from "zod";
import { nameVariables } from "../config.ts";
import { own } from "../own-settings.ts";

type Shape = Readonly<Record<string, z.core.$ZodType>>;

/**
 * Renders a table of settings from the schemas, and from the doc comments of the schemas' properties.
 *
 * - `gateway`: the variables of the gateway itself
 * - `vendors`: the variables of every vendor, below a heading for each
 * - `options VENDOR NAME …`: settings of a vendor as options in a program, these or all
 *
 * @throws Error that names a setting without a doc comment
 */
export function renderSettings(
  [table, vendorName, ...names]: readonly string[],
  root: string,
  vendors: readonly Vendor[],
): string {
  if (table === "gateway") return renderOwn(root);
  if (table === "vendors") return vendors.map((vendor) => renderVendor(root, vendor)).join("\n");
  const vendor = vendors.find(({ name }) => name === vendorName);
  if (table !== "options" || vendor === undefined) throw new Error(`settings: ${table} ${vendorName} is no table`);
  return renderOptions(root, vendor, names);
}

const renderOwn = (root: string) =>
  renderTable("variable", own, readPropertyDocs(join(root, "apps/gateway/src/own-settings.ts")));

function renderVendor(root: string, vendor: Vendor): string {
  const variables = new Map([...nameVariables([vendor])].map(([variable, { property }]) => [property, variable]));
  const table = renderTable("variable", vendor.settings.shape, readVendorDocs(root, vendor), variables);
  return `## ${vendor.label}\n\n${table}`;
}

function renderOptions(root: string, vendor: Vendor, names: readonly string[]): string {
  const { shape } = vendor.settings;
  const chosen = names.map((name) => [name, shape[name] as z.core.$ZodType]);
  return renderTable("option", names.length > 0 ? Object.fromEntries(chosen) : shape, readVendorDocs(root, vendor));
}

const readVendorDocs = (root: string, { name }: Vendor) =>
  readPropertyDocs(join(root, `packages/${name}/src/options.ts`));

function renderTable(
  heading: string,
  shape: Shape,
  docs: ReadonlyMap<string, PropertyDoc>,
  labels: ReadonlyMap<string, string> = new Map(),
): string {
  const rows = Object.entries(shape).map(([name, schema]) => {
    const doc = docs.get(name);
    if (doc === undefined) throw new Error(`${name} needs a doc comment at its schema`);
    const standard = doc.defaultValue ?? describeDefault(schema);
    const cells = [`\`${labels.get(name) ?? name}\``, describeValues(schema), standard, doc.text];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  });
  return `| ${heading} | values | default | meaning |\n| --- | --- | --- | --- |\n${rows.join("")}`;
}

function describeDefault(schema: z.core.$ZodType): string {
  const { data } = z.safeParse(schema, undefined);
  const text = data === undefined ? "" : String(data);
  return text === "" ? "none" : `\`${text}\``;
}

/** A text that every setting with a form of its own rejects. */
const malformed = "\u0001";

/** Returns the words that a setting accepts, or else what its schema demands: `must be a whole number from 1 to 500`. */
function describeValues(schema: z.core.$ZodType): string {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodEnum) return inner.options.map((word) => `\`${word}\``).join(", ");
  if (typeof z.safeParse(schema, undefined).data === "boolean") return "`true`, `false`";
  const [issue] = z.safeParse(schema, malformed).error?.issues ?? [];
  const [, demand] = /^must be (?:an? )?(.*)/.exec(issue?.message ?? "") ?? [];
  return demand ?? "text";
}

const unwrap = (schema: z.core.$ZodType): z.core.$ZodType =>
  schema instanceof z.ZodDefault || schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
