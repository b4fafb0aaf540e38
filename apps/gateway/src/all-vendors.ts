import { loadVendors } from "./load-vendors.ts";

/** All vendors of the gateway. Performance: it loads each package; a command of one vendor calls `loadVendors` instead. */
export const vendors = await loadVendors();
