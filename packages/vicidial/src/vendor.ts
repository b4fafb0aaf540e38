import { defineVendor } from "@reinstate/batch-core";
import * as z from "zod";
import { createVicidial, type Vicidial } from "./create.ts";
import { demoKeys, loadDemoLeads } from "./demo.ts";
import { openApi } from "./http/openapi.ts";
import { dialectNames } from "./http/reply-dialects.ts";
import { type VicidialSettings, vicidialSettings } from "./options.ts";

/** The registration of VICIdial's leads API in the gateway. */
export const vicidial = defineVendor<VicidialSettings, Vicidial>({
  name: "vicidial",
  label: "VICIdial (TForge leads API)",
  paths: ["/vicidial"],
  settings: vicidialSettings,
  keyOptions: z.strictObject({
    /** The dialect of calls with this key, on every path. */
    dialect: z.enum(dialectNames).optional(),
  }),
  create: (host, settings, { timeZone }) => createVicidial(host, { ...settings, timeZone }),
  openApi,
  demo: {
    keys: demoKeys,
    load: (host, { store }) => loadDemoLeads(host.database, store),
    curl: (baseUrl) =>
      [
        `curl -X POST ${baseUrl}/vicidial/leads/dearchive`,
        `-H "Authorization: Key=demo-vicidial-key" -H "Content-Type: application/json"`,
        `-d '{ "insert_leads": true, "delete_leads": true, "lead_ids": [ 0, 1 ] }'`,
      ].join(" "),
  },
});
