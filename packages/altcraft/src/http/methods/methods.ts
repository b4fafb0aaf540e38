import * as z from "zod";
import { listFieldNames } from "../unknown-fields.ts";
import { createExtensionHandlers } from "./extension-handlers.ts";
import type { Method, MethodParts } from "./method.ts";
import {
  commonParameters,
  type ExtensionMethodName,
  extensionMethods,
  type MethodRow,
  type VendorMethodName,
  vendorMethods,
} from "./method-table.ts";
import { createVendorHandlers } from "./vendor-handlers.ts";

/** Returns the served methods: the vendor's, and the extensions if the setting `extensions` is on. */
export function createMethods(parts: MethodParts): Method[] {
  const served = new Map<string, Method>();
  const add = (table: Record<string, MethodRow>, handlers: Record<string, unknown>) => {
    for (const [name, row] of Object.entries(table)) {
      const body = z.intersection(row.shape ?? row.parameters, commonParameters);
      served.set(name, {
        name,
        ...row,
        body,
        names: new Set(listFieldNames(body)),
        handle: handlers[name] as Method["handle"],
      });
    }
  };
  add(vendorMethods, createVendorHandlers(parts) satisfies Record<VendorMethodName, unknown>);
  if (parts.settings.extensions === "on") {
    add(extensionMethods, createExtensionHandlers(parts) satisfies Record<ExtensionMethodName, unknown>);
  }
  return [...served.values()];
}
