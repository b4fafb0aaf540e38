import { adminKeyOptions, ReinstateError } from "@reinstate/batch-core";
import { readRequestId } from "@reinstate/batch-core/http";
import * as z from "zod";
import { readForm, readFormKey } from "../form.ts";
import { newFormKey } from "../form-key.ts";
import { invalidInput } from "../invalid-input.ts";
import { type KeysPage, renderKeys } from "../pages/keys.ts";
import { answer, type PageContext, type Routes, redirect, type Site, toView } from "../site.ts";

/** Forms that are remembered, so that a reload creates no second key. */
const maxForms = 1000;

/** Adds the page of the keys. Only sessions that may write see it. */
export function addKeys(site: Site, routes: Routes): void {
  const { host, vendors } = site;
  const usedForms = new Set<string>();

  const render = async (c: PageContext, more: Partial<KeysPage> = {}) =>
    renderKeys(toView(site, c), {
      keys: await host.keys.list(),
      vendors: [...vendors.map(describeVendor), adminVendor],
      key: newFormKey(),
      ...more,
    });

  routes.get("/keys", async (c) => answer(c, await render(c)), { forWriters: true });

  routes.post("/keys", async (c) => {
    const form = await readForm(c.req.raw);
    const formKey = readFormKey(form);
    if (usedForms.has(formKey)) return redirect(site, c, "/keys");
    try {
      const created = await host.keys.create(readNewKey(form));
      if (usedForms.size >= maxForms) usedForms.clear();
      usedForms.add(formKey);
      host.log.info(
        { request_id: readRequestId(c.req.raw), key: created.key.id, vendor: created.key.vendor },
        "key created",
      );
      return answer(c, await render(c, { created }));
    } catch (error) {
      if (!ReinstateError.is(error, "invalid_request")) throw error;
      return c.html(await render(c, { issues: error.issues, entered: form }), 422);
    }
  });

  routes.post("/keys/:id/revoke", async (c) => {
    const id = c.req.param("id") ?? "";
    if (!(await host.keys.revoke(id))) throw invalidInput("key", "is unknown, or was revoked before");
    host.log.info({ request_id: readRequestId(c.req.raw), key: id }, "key revoked");
    return redirect(site, c, "/keys");
  });

  function readNewKey({ vendor: name = "", account = "", name: label = "", options = "" }: Record<string, string>) {
    const vendor = vendors.find((vendor) => vendor.name === name);
    if (!vendor && name !== "admin") throw invalidInput("API", "is not one of the list");
    if (vendor?.accounts && account.trim() === "") throw invalidInput("account", `is required for ${vendor.label}`);
    if (!vendor?.accounts && account.trim() !== "")
      throw invalidInput("account", "must be empty, because this API has no accounts");
    const known = vendor ? (vendor.keyOptions ?? z.strictObject({})) : adminKeyOptions;
    const read = known.safeParse(Object.fromEntries(readOptions(options)));
    if (!read.success) {
      const names = Object.keys(known.shape).join(", ");
      throw invalidInput(
        "options",
        `${read.error.issues[0]?.message} (${names ? `known: ${names}` : "this API has none"})`,
      );
    }
    return { vendor: name, account: account.trim(), name: label.trim(), options: read.data };
  }

  const describeVendor = ({ name, label, keyOptions }: (typeof vendors)[number]) => ({
    name,
    label,
    options: Object.keys(keyOptions?.shape ?? {}),
  });
}

const adminVendor = { name: "admin", label: "Dashboard and /v1", options: Object.keys(adminKeyOptions.shape) };

/** Reads options such as `dialect=L1`, one per line. */
const readOptions = (text: string): [string, string][] =>
  text.split(/[\r\n]+/).flatMap((line) => {
    const [, name, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) return [[name, value] as [string, string]];
    if (line.trim() === "") return [];
    throw invalidInput("options", "must be lines such as access=read");
  });
