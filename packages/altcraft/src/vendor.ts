import { defineVendor } from "@reinstate/batch-core";
import * as z from "zod";
import { type Altcraft, createAltcraft } from "./create.ts";
import { demo } from "./demo.ts";
import { extensionMethods, vendorMethods } from "./http/methods/method-table.ts";
import { openApi } from "./http/openapi.ts";
import { basePath } from "./http/routes.ts";
import { importSubscriptions } from "./import/import.ts";
import { type AltcraftSettings, altcraftOptions } from "./options.ts";
import { channelName } from "./schemas/identity.ts";

const methodNames = [...new Set([...Object.keys(vendorMethods), ...Object.keys(extensionMethods)])];

const importOptions = z.strictObject({
  channel: channelName.optional().describe("the channel of records that name none"),
});

/** Altcraft's definition for the gateway. */
export const altcraft = defineVendor<AltcraftSettings, Altcraft>({
  name: "altcraft",
  label: "Altcraft",
  keyOptions: z.strictObject({
    /** Methods that the key may call, separated by commas. */
    methods: z
      .string()
      .transform((names) => names.split(",").map((name) => name.trim()))
      .pipe(z.array(z.enum(methodNames, `must be of ${methodNames.join(", ")}`)))
      .optional(),
  }),
  paths: [basePath],
  settings: altcraftOptions,
  create: (host, settings) => createAltcraft(host, settings),
  import: {
    formats: ["ndjson", "csv"],
    options: importOptions,
    async run(_, instance, source, { format, options, onRefused }) {
      const { channel } = importOptions.parse(options);
      const { added, kept, refused } = await importSubscriptions(instance, source, {
        format,
        onRefused,
        ...(channel !== undefined && { channel }),
      });
      return { imported: added + kept, refused };
    },
  },
  openApi,
  demo,
});
