import * as z from "zod";
import { ReinstateError } from "../errors/errors.ts";
import type { Host } from "../host.ts";
import type { CommonSettings, Vendor, VendorInstance } from "./vendor.ts";

const callable = z.custom((value) => typeof value === "function", { error: "must be a function" });
const objectSchema = z.custom((value) => value instanceof z.ZodObject, { error: "must be a zod object" });

/** The beginning of a path: segments of a URL, as `cleanPath` returns them. */
const path = z
  .string()
  .regex(/^(\/[\w.~-]+)+$/, "must be segments such as /api/v2, without a slash at the end and without parameters");

const declaration = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]*$/, "must be of lower case letters, digits and underscores"),
  label: z.string().min(1, "must not be empty"),
  accounts: z.boolean().optional(),
  keyOptions: objectSchema.optional(),
  paths: z.array(path).min(1, "must hold a path"),
  settings: objectSchema,
  create: callable,
  import: z
    .strictObject({
      formats: z.array(z.enum(["ndjson", "csv"])).min(1, "must hold a format"),
      options: objectSchema.optional(),
      run: callable,
    })
    .optional(),
  openApi: callable.optional(),
  demo: z.strictObject({ keys: z.array(z.looseObject({ secret: z.string() })), load: callable, curl: callable }),
});

/**
 * Checks the declarations of vendors together, before any of them is created. `reserved`: the beginnings of paths that the caller
 * answers itself.
 *
 * @throws ReinstateError `bad_setting`, one line that names vendor and field, for a piece that is missing, an unknown one, and a name
 * or path that is declared twice.
 * @example checkVendors([zendesk, freshdesk], ["/v1", "/healthz"]);
 */
export function checkVendors(vendors: readonly Vendor[], reserved: readonly string[] = []): void {
  const names = new Set<string>();
  const owners = new Map(reserved.map((path) => [path, "the gateway"]));
  for (const vendor of vendors) {
    checkDeclaration(vendor);
    const { name, paths } = vendor;
    if (names.has(name)) throw bad(name, "name", "is the name of two vendors");
    names.add(name);
    for (const path of paths) {
      const outer = reserved.find((own) => path.startsWith(`${own}/`));
      const owner = owners.get(outer ?? path);
      if (owner !== undefined) throw bad(name, "paths", `${path} is a path of ${owner} too`);
      owners.set(path, name);
    }
  }
}

/** Options of every import, which a vendor's own must not replace. */
const importOptions = ["account", "format", "json"];

function checkDeclaration(vendor: Vendor): void {
  const issue = declaration.safeParse(vendor, { reportInput: true }).error?.issues[0];
  const taken = importOptions.find((option) => Object.hasOwn(vendor?.import?.options?.shape ?? {}, option));
  if (!issue && taken !== undefined) throw bad(vendor.name, `import.options.${taken}`, "is an option of every import");
  if (!issue) return;
  const name = typeof vendor?.name === "string" ? vendor.name : "?";
  const place = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    throw bad(name, [...issue.path, issue.keys[0]].join("."), "is not a field of a vendor");
  }
  throw bad(name, place, issue.input === undefined ? "is missing" : issue.message);
}

/**
 * Creates a vendor and checks what it returns.
 *
 * @throws ReinstateError `bad_setting` if it has no routes, or an operation of another name than its own.
 * @example const instance = await createInstance(zendesk, host, settings, { timeZone: "UTC" });
 */
export async function createInstance<Settings>(
  vendor: Vendor<Settings>,
  host: Host,
  settings: Settings,
  common: CommonSettings,
): Promise<VendorInstance> {
  const instance = await vendor.create(host, settings, common);
  const { routes, operations } = instance as Partial<VendorInstance>;
  if (typeof routes?.fetch !== "function") throw bad(vendor.name, "routes", "is missing");
  if (!Array.isArray(operations)) throw bad(vendor.name, "operations", "is missing");
  const stranger = operations.find(({ name }) => !name.startsWith(`${vendor.name}.`));
  if (stranger) throw bad(vendor.name, "operations", `${stranger.name} must begin with ${vendor.name}.`);
  return instance;
}

const bad = (vendor: string, field: string, message: string) =>
  new ReinstateError("bad_setting", `vendor ${vendor}: ${field}: ${message}`);
