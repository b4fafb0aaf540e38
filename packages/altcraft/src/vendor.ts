import { defineVendor } from "@reinstate/batch-core";
import { type Altcraft, createAltcraft } from "./create.ts";
import { demo } from "./demo.ts";
import { importSubscriptions } from "./import.ts";
import { type AltcraftSettings, altcraftOptions } from "./options.ts";
import { basePath } from "./routes.ts";

/** Altcraft, as the gateway serves it. */
export const altcraft = defineVendor<AltcraftSettings, Altcraft>({
  name: "altcraft",
  label: "Altcraft",
  paths: [basePath],
  settings: altcraftOptions,
  create: (host, settings) => createAltcraft(host, settings),
  async import(_, instance, source, { format, onRefused }) {
    const { added, kept, refused } = await importSubscriptions(instance, source, { format, onRefused });
    return { imported: added + kept, refused };
  },
  demo,
});
